export function TradePage() {
  return <main>trade</main>;
}
