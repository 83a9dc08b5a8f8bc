/** Two brass posts and a rope between them; it is unhooked for those who are in. Decoration only. */
export function Rope({ open }: { open: boolean }) {
  return (
    <svg className={open ? "rope rope-open" : "rope"} viewBox="0 0 320 132" aria-hidden="true">
      <defs>
        <linearGradient id="brass" x1="0" x2="1">
          <stop offset="0" stopColor="#8d6422" />
          <stop offset=".45" stopColor="#f0cd84" />
          <stop offset="1" stopColor="#9a6f2a" />
        </linearGradient>
        <linearGradient id="velvet" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" stopColor="#d8476f" />
          <stop offset="1" stopColor="#8e1d45" />
        </linearGradient>
      </defs>
      <ellipse cx="52" cy="120" rx="30" ry="7" fill="url(#brass)" />
      <ellipse cx="268" cy="120" rx="30" ry="7" fill="url(#brass)" />
      <rect x="48" y="22" width="8" height="98" rx="4" fill="url(#brass)" />
      <rect x="264" y="22" width="8" height="98" rx="4" fill="url(#brass)" />
      <circle cx="52" cy="16" r="11" fill="url(#brass)" />
      <circle cx="268" cy="16" r="11" fill="url(#brass)" />
      <path className="rope-line rope-closed-line" d="M52 34 C 96 108, 224 108, 268 34" />
      <path className="rope-line rope-open-line" d="M52 34 C 70 74, 66 96, 72 116" />
    </svg>
  );
}
