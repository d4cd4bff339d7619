/** The one document that a deployment differs by: `/config.json`, read once before the first render. */
export interface Config {
  /** Where the application door answers; empty is this origin. */
  api: string;
  /** The WebSocket feed. */
  feed: string;
  cognito: { region: string; userPoolId: string; userPoolClientId: string; endpoint?: string };
  /** A sandbox has a faucet and confirms sign-ups without an e-mail. */
  sandbox: boolean;
  stage: string;
}

let loaded: Config | null = null;

export async function loadConfig(): Promise<Config> {
  const answer = await fetch("/config.json", { cache: "no-cache" });
  if (!answer.ok) throw new Error(`/config.json answered ${answer.status}`);
  loaded = (await answer.json()) as Config;
  return loaded;
}

export function config(): Config {
  if (loaded === null) throw new Error("the configuration is read before anything is rendered");
  return loaded;
}
