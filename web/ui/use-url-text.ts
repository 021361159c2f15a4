import { useEffect, useRef, useState } from "react";

type UrlText = { text: string; setText: (text: string) => void };
const RESTS_AFTER_MS = 250;

/**
 * A text field whose value stands in the address: what is typed is committed when it rests, and a change of the address by
 * other means (a link, "clear") is taken over, but never what is typed meanwhile.
 */
export function useUrlText(value: string, commit: (text: string) => void): UrlText {
  const [text, setText] = useState(value);
  const [seen, setSeen] = useState(value);
  const [committed, setCommitted] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const latest = useRef(commit);
  useEffect(() => {
    latest.current = commit;
  });
  useEffect(() => () => clearTimeout(timer.current), []);
  if (seen !== value) {
    setSeen(value);
    if (value !== committed) {
      setText(value);
      setCommitted(value);
    }
  }
  const write = (next: string): void => {
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      setCommitted(next);
      latest.current(next);
    }, RESTS_AFTER_MS);
  };
  return { text, setText: write };
}
