/** An A drawn as a small graph: three steps and what connects them. */
export const Logo = ({ className }: { className?: string }) => (
  <svg viewBox="0 0 32 32" fill="none" aria-hidden="true" className={className}>
    <rect width="32" height="32" rx="8.5" fill="var(--primary)" />
    <path d="M8.5 23.5 16 8.5l7.5 15" stroke="var(--on-primary)" strokeWidth="2.2" strokeLinecap="round" strokeLinejoin="round" />
    <path d="M11.6 18.2h8.8" stroke="color-mix(in oklch, var(--on-primary) 65%, var(--accent))" strokeWidth="2.2" strokeLinecap="round" />
    <circle cx="16" cy="8.5" r="2.9" fill="color-mix(in oklch, var(--on-primary) 55%, var(--accent))" />
    <circle cx="8.5" cy="23.5" r="2.9" fill="var(--on-primary)" />
    <circle cx="23.5" cy="23.5" r="2.9" fill="var(--on-primary)" />
  </svg>
);
