/** The look of a report, by day and by night. Systems are coloured in the order of the results. */
export const style = `
:root { color-scheme: light dark; --ink: #1b2430; --soft: #5c6b7a; --paper: #fbfbf9; --card: #fff; --rule: #e3e6e8;
  --s0: #0a7c86; --s1: #d9622b; --s2: #7b4fb5; --aim: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ee; --soft: #93a1af; --paper: #14181d; --card: #1b2127; --rule: #2d353d;
  --s0: #39bac6; --s1: #f08a55; --s2: #ad86e6; --aim: #ff8a80; } }
body { margin: 0 auto; max-width: 1160px; padding: 24px 20px 60px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; margin: 0 0 8px; } h2 { font-size: 19px; margin: 0 0 4px; } h3 { font-size: 15px; margin: 14px 0 4px; width: 100%; }
section { margin: 22px 0; padding: 16px 20px; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
section > p { margin: 0 0 10px; color: var(--soft); max-width: 80ch; }
.facts { margin: 0; padding: 0; list-style: none; color: var(--soft); font-size: 14px; } .facts b { color: var(--ink); }
.key { margin-right: 18px; } .swatch { display: inline-block; width: 12px; height: 12px; margin-right: 6px; border-radius: 3px; vertical-align: -1px; }
.plots { display: flex; flex-wrap: wrap; gap: 14px; } svg { max-width: 100%; height: auto; }
svg text { fill: var(--ink); font: 11.5px system-ui, "DejaVu Sans", sans-serif; } svg .title { font-weight: 600; font-size: 13px; }
svg .tick, svg .legend { fill: var(--soft); font-size: 11px; } svg .label { fill: var(--ink); } svg .note { fill: var(--soft); }
.grid { stroke: var(--rule); } .aim { stroke: var(--aim); stroke-dasharray: 4 3; } .whisker { stroke: var(--ink); stroke-width: 1.2; opacity: .65; }
.line { fill: none; stroke-width: 1.9; } .mark { stroke: none; } .bar.light { opacity: .42; }
.line.s0 { stroke: var(--s0); } .line.s1 { stroke: var(--s1); } .line.s2 { stroke: var(--s2); }
.bar.s0, .mark.s0 { fill: var(--s0); } .bar.s1, .mark.s1 { fill: var(--s1); } .bar.s2, .mark.s2 { fill: var(--s2); }
.swatch.s0 { background: var(--s0); } .swatch.s1 { background: var(--s1); } .swatch.s2 { background: var(--s2); }
.dash1 { stroke-dasharray: 7 3; } .dash2 { stroke-dasharray: 2 3; } .dash3 { stroke-dasharray: 9 3 2 3; } circle { stroke-dasharray: none; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px 4px 0; text-align: left; border-bottom: 1px solid var(--rule); white-space: nowrap; } th { color: var(--soft); font-weight: 500; }
`
