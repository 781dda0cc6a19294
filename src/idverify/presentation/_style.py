"""The style sheet of the HTML report: system fonts, high contrast, legible in print."""

from __future__ import annotations

CSS = """
:root{--ink:#14202b;--mute:#566573;--line:#dde3e8;--paper:#fff;--ground:#eef1f4;
--good:#0a6b3d;--good-soft:#e5f3ea;--bad:#a3171f;--bad-soft:#fbe9e9;--warn:#8a5300;--warn-soft:#fdf1dc;--dim:#46525e;--dim-soft:#edf0f3}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,"Segoe UI","Noto Sans",Roboto,"Helvetica Neue",Arial,sans-serif}
.sheet{max-width:1120px;margin:24px auto;background:var(--paper);border:1px solid var(--line);border-radius:14px;overflow:hidden;
box-shadow:0 8px 30px rgba(20,32,43,.07)}
.en{color:var(--mute)}
.guard{display:flex;gap:10px;align-items:center;justify-content:space-between;background:#24313d;color:#fff;padding:8px 32px;font-size:14px}
.guard .en{color:#b9c6d1}
header{display:flex;justify-content:space-between;align-items:baseline;gap:24px;padding:22px 32px 16px}
h1{font-size:22px;line-height:1.25;margin:0;font-weight:650}
h1 .en{display:block;font-size:15px;font-weight:400}
header .when{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
header .when small{display:block;color:var(--mute);font-size:13px}
.verdict{display:grid;grid-template-columns:132px 1fr;gap:28px;align-items:center;padding:28px 32px;color:#fff}
.verdict svg{width:132px;height:132px}
.verdict .word{font-size:84px;line-height:1.02;font-weight:800;letter-spacing:.01em}
.verdict .word-en{font-size:34px;line-height:1.2;font-weight:600;letter-spacing:.12em;opacity:.95}
.verdict p{margin:10px 0 0;font-size:19px}
.verdict p .en{color:inherit;opacity:.86;display:block;font-size:16px}
.verdict.accept{background:var(--good)}.verdict.reject{background:var(--bad)}
.verdict.review{background:#f5b324;color:#2b1d00}.verdict.inconclusive{background:#3f4d5a}
.reasons{margin:0;padding:18px 32px 18px 52px;border-bottom:1px solid var(--line);font-size:18px}
.reasons li{margin:4px 0}.reasons .en{display:block;font-size:15px}
.reasons.reject{background:var(--bad-soft)}.reasons.review{background:var(--warn-soft)}.reasons.inconclusive{background:var(--dim-soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));border-bottom:1px solid var(--line)}
.tile{display:flex;gap:12px;align-items:center;padding:16px 12px 16px 20px;border-right:1px solid var(--line)}
.tile:last-child{border-right:0}
.tile svg{width:34px;height:34px;flex:none}
.tile b{display:block;line-height:1.25}.tile span{font-size:13px;line-height:1.3;display:block}
.s-successful{color:var(--good)}.s-failed,.s-aborted{color:var(--bad)}.s-undetermined,.s-not-performed{color:var(--warn)}.s-not-supported{color:var(--dim)}
section{padding:24px 32px 8px}
h2{font-size:18px;margin:0 0 14px;font-weight:650}h2 .en{font-weight:400;font-size:15px;margin-left:8px}
.person{display:grid;grid-template-columns:auto 1fr;gap:36px;padding-top:28px}
.faces{display:grid;grid-template-columns:repeat(2,230px);gap:18px;align-content:start}
figure{margin:0}
figure .frame{width:230px;height:300px;background:var(--dim-soft);border:1px solid var(--line);border-radius:8px;overflow:hidden;display:flex;align-items:center;
justify-content:center;text-align:center;color:var(--mute);font-size:15px;padding:0}
figure img{width:100%;height:100%;object-fit:contain;display:block}
figcaption{margin-top:8px;font-weight:600;line-height:1.3}figcaption .en{display:block;font-weight:400;font-size:14px}
.score{grid-column:1/-1;border:1px solid var(--line);border-radius:8px;padding:12px 16px 10px}
.score .top{display:flex;justify-content:space-between;align-items:baseline;gap:12px;font-weight:600}
.score .top .en{font-weight:400;font-size:14px}
.score .number{font-size:24px;font-variant-numeric:tabular-nums}
.score svg{width:100%;height:34px;display:block;margin-top:4px}
.score p{margin:2px 0 0;font-size:14px;line-height:1.4}
dl.holder{display:grid;grid-template-columns:minmax(150px,36%) 1fr;margin:0;align-content:start}
dl.holder dt,dl.holder dd{margin:0;padding:7px 0;border-bottom:1px solid var(--line);line-height:1.35}
dl.holder dt{color:var(--mute);padding-right:16px;font-size:15px}dl.holder dt span{display:block;font-size:13px}
dl.holder dd{font-weight:550;overflow-wrap:anywhere}
dl.holder dd.name{font-size:24px;font-weight:700}dl.holder dd.number{font-size:20px;letter-spacing:.06em;font-variant-numeric:tabular-nums}
table{border-collapse:collapse;width:100%;margin:0 0 18px}
caption{text-align:left;font-weight:650;padding:10px 0 6px;border-bottom:2px solid var(--ink)}caption .en{font-weight:400;margin-left:8px}
td{vertical-align:top;padding:9px 12px 8px 0;border-bottom:1px solid var(--line)}
td.mark{width:40px;padding-right:8px}td.mark svg{width:26px;height:26px;display:block}
td.what{width:31%;font-weight:600;line-height:1.35}td.what .en{display:block;font-weight:400;font-size:14px}
td.why{line-height:1.4}td.why>.en{display:block;font-size:14px}
td.state{width:150px;text-align:right;font-weight:650;padding-right:0;line-height:1.3}td.state .en{display:block;font-weight:400;font-size:13px}
tr.failed td,tr.aborted td{background:var(--bad-soft)}
.of{display:inline-block;margin:4px 6px 0 0;padding:1px 8px;border-radius:10px;background:var(--dim-soft);font-size:13px;color:var(--dim)}
details{margin-top:3px;font-size:13px;color:var(--mute)}summary{cursor:pointer}
details table{margin:6px 0 2px;width:auto}details td{padding:2px 14px 2px 0;border:0;overflow-wrap:anywhere;font-family:ui-monospace,"DejaVu Sans Mono",Consolas,monospace;font-size:12px;background:none!important}
dl.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:14px 28px;margin:0 0 20px}
dl.facts dt{color:var(--mute);font-size:14px}dl.facts dd{margin:0;font-weight:600;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
dl.facts dd small{font-weight:400;color:var(--mute)}
footer{padding:18px 32px 26px;border-top:1px solid var(--line);font-size:14px;color:var(--dim)}footer p{margin:0 0 6px}
@media (max-width:900px){.person{grid-template-columns:1fr}.verdict{grid-template-columns:84px 1fr}.verdict svg{width:84px;height:84px}.verdict .word{font-size:52px}
.verdict .word-en{font-size:24px}td.state{width:auto}}
@media (max-width:560px){.faces{grid-template-columns:1fr 1fr}figure .frame{width:100%;height:auto;aspect-ratio:23/30}header{display:block}header .when{text-align:left}section,header,.guard,.verdict{padding-left:16px;padding-right:16px}}
@page{size:A4;margin:12mm}
@media print{*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
body{background:#fff;font-size:11pt}.sheet{margin:0;border:0;border-radius:0;box-shadow:none;max-width:none}
.verdict .word{font-size:60px}.verdict .word-en{font-size:24px}.verdict svg{width:96px;height:96px}.verdict{grid-template-columns:96px 1fr;padding:18px 24px}
.person{grid-template-columns:auto 1fr}.faces{grid-template-columns:repeat(2,150px)}figure .frame{width:150px;height:196px}
section,header,footer{padding-left:24px;padding-right:24px}tr,.tile,.person,.verdict{break-inside:avoid}details:not([open]){display:none}}
"""

MARKS = {
    "successful": '<circle cx="24" cy="24" r="22" fill="currentColor"/><path d="M14 25l7 7 14-15" fill="none" stroke="#fff" '
    'stroke-width="5" stroke-linecap="round" stroke-linejoin="round"/>',
    "failed": '<circle cx="24" cy="24" r="22" fill="currentColor"/><path d="M16 16l16 16M32 16L16 32" fill="none" '
    'stroke="#fff" stroke-width="5" stroke-linecap="round"/>',
    "undetermined": '<circle cx="24" cy="24" r="20" fill="none" stroke="currentColor" stroke-width="4"/>'
    '<path d="M24 13v14" stroke="currentColor" stroke-width="5" stroke-linecap="round"/>'
    '<circle cx="24" cy="34.5" r="3" fill="currentColor"/>',
    "not-supported": '<circle cx="24" cy="24" r="20" fill="none" stroke="currentColor" stroke-width="4"/>'
    '<path d="M15 24h18" stroke="currentColor" stroke-width="5" stroke-linecap="round"/>',
}
MARKS["aborted"] = MARKS["failed"]
MARKS["not-performed"] = MARKS["undetermined"]

VERDICT_MARKS = {
    "accept": '<circle cx="24" cy="24" r="22" fill="#fff"/><path d="M13 25l8 8 15-17" fill="none" stroke="#0a6b3d" '
    'stroke-width="5.5" stroke-linecap="round" stroke-linejoin="round"/>',
    "reject": '<circle cx="24" cy="24" r="22" fill="#fff"/><path d="M15 15l18 18M33 15L15 33" fill="none" stroke="#a3171f" '
    'stroke-width="6" stroke-linecap="round"/>',
    "review": '<path d="M24 4L46 43H2z" fill="#2b1d00" stroke="#2b1d00" stroke-width="3" stroke-linejoin="round"/>'
    '<path d="M24 17v13" stroke="#f5b324" stroke-width="5" stroke-linecap="round"/><circle cx="24" cy="37" r="3" fill="#f5b324"/>',
    "inconclusive": '<circle cx="24" cy="24" r="22" fill="#fff"/><path d="M17 19c0-9 14-9 14 0 0 6-7 5-7 11" fill="none" '
    'stroke="#3f4d5a" stroke-width="5" stroke-linecap="round"/><circle cx="24" cy="37" r="3" fill="#3f4d5a"/>',
}
