/** Why a request is cancelled whose client has gone. */
export const DISCONNECTED = "client_disconnected";

/** A reason that is a text is the client's own, unless it is ours. */
export const hasLeft = ({ aborted, reason }: AbortSignal): boolean => aborted && (typeof reason !== "string" || reason === DISCONNECTED);
