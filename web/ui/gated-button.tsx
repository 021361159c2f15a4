import type { ReactNode } from "react";
import { Button, type ButtonProps } from "./button.tsx";
import { Tooltip } from "./tooltip.tsx";

type Props = Omit<ButtonProps, "disabled"> & {
  /** Why it cannot be pressed now. The button stays reachable, so that the reason can be read. */
  reason: string | undefined;
  keys?: string | undefined;
  /** Said on hover when it can be pressed; the button's own words otherwise. */
  hint?: ReactNode;
};

/** A button that says why when it is disabled. */
export const GatedButton = ({ reason, keys, hint, onClick, children, ...rest }: Props) => {
  const button = (
    <Button
      {...rest}
      aria-disabled={reason !== undefined || undefined}
      aria-description={reason}
      onClick={reason === undefined ? onClick : (event) => event.preventDefault()}
    >
      {children}
    </Button>
  );
  const label = reason ?? hint;
  return label === undefined && keys === undefined ? (
    button
  ) : (
    <Tooltip label={label ?? children} keys={reason === undefined ? keys : undefined}>
      {button}
    </Tooltip>
  );
};
