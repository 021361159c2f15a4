/** Copied for each test; nobody may be connected to it meanwhile. */
export const TEMPLATE = "auterity_template";
/** The same for every test role: the server lives only as long as the test run and only on loopback. */
export const rolePassword = (role: string): string => `test-${role}`;
