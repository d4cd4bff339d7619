/** The Cognito client: Amplify's, pointed at the pool of `/config.json`, with another endpoint where one is given. */
import {
  confirmResetPassword,
  confirmSignIn,
  confirmSignUp,
  fetchAuthSession,
  fetchMFAPreference,
  resendSignUpCode,
  resetPassword,
  setUpTOTP,
  signIn,
  signOut,
  signUp,
  updateMFAPreference,
  updatePassword,
  verifyTOTPSetup,
} from "@aws-amplify/auth";
import { cognitoUserPoolsTokenProvider } from "@aws-amplify/auth/cognito";
import { Amplify, ConsoleLogger } from "@aws-amplify/core";
import { config } from "../app/config";

const { cognito } = config();
const auth = {
  Cognito: {
    userPoolId: cognito.userPoolId,
    userPoolClientId: cognito.userPoolClientId,
    ...(cognito.endpoint ? { userPoolEndpoint: cognito.endpoint } : {}),
    loginWith: { email: true },
  },
};
// Its only warning here is that an endpoint was given, which is what the local pool needs.
ConsoleLogger.LOG_LEVEL = "ERROR";
cognitoUserPoolsTokenProvider.setAuthConfig(auth);
Amplify.configure({ Auth: auth }, { Auth: { tokenProvider: cognitoUserPoolsTokenProvider } });

export {
  confirmResetPassword,
  confirmSignIn,
  confirmSignUp,
  fetchMFAPreference,
  resendSignUpCode,
  resetPassword,
  setUpTOTP,
  signIn,
  signOut,
  signUp,
  updateMFAPreference,
  updatePassword,
  verifyTOTPSetup,
};

export async function readSession(): Promise<{ email: string; userId: string; groups: string[] } | null> {
  const { tokens } = await fetchAuthSession().catch(() => ({ tokens: undefined }));
  if (!tokens) return null;
  const groups = tokens.accessToken.payload["cognito:groups"];
  return {
    email: String(tokens.idToken?.payload.email ?? ""),
    userId: String(tokens.accessToken.payload.sub ?? ""),
    groups: Array.isArray(groups) ? groups.map(String) : [],
  };
}

export async function readToken(): Promise<string | null> {
  const { tokens } = await fetchAuthSession();
  return tokens?.accessToken.toString() ?? null;
}
