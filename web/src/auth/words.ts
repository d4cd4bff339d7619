/** What Cognito refused, in words that help. Amplify names its errors after Cognito's exceptions. */
const WORDS: Record<string, string> = {
  NotAuthorizedException: "E-mail or password is wrong.",
  UserNotFoundException: "E-mail or password is wrong.",
  UsernameExistsException: "This e-mail has an account already. Sign in, or reset its password.",
  InvalidPasswordException:
    "The password needs twelve characters or more, with an upper-case letter, a lower-case letter and a digit.",
  CodeMismatchException: "That code is not right. Codes are six digits; take the newest one.",
  EnableSoftwareTokenMFAException: "That code is not right. Wait for the next one and check your phone's clock.",
  ExpiredCodeException: "That code is too old. Ask for a new one.",
  LimitExceededException: "Too many tries. Wait some minutes, then try again.",
  TooManyRequestsException: "Too many tries. Wait a minute, then try again.",
  UserNotConfirmedException: "The e-mail is not confirmed yet.",
  NetworkError: "The sign-in service cannot be reached. Check your connection.",
  UserAlreadyAuthenticatedException: "Somebody is signed in here already.",
};

export function authWords(failure: unknown): string {
  const { name, message } = failure as { name?: string; message?: string };
  return WORDS[name ?? ""] ?? message ?? String(failure);
}
