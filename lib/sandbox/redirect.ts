/** Redirect URI of every patient-facing application; on loopback any port will do (RFC 8252, 7.3). */
export const REDIRECT_URI = "http://127.0.0.1/callback";
