/* style.c - see style.h. The series' colours are told apart by the colour-blind too (after Okabe and Ito); contrast with the ground is 3:1 at
 * least, that of text 7:1. */
#include "report/style.h"

const char style_colors[] =
	":root{--ground:#fcfcfa;--card:#fff;--ink:#1d2126;--soft:#565d66;--line:#d9dce0;--grid:#e9ebee;--accent:#0b63a5;"
	"--good:#e2f3e6;--bad:#fbe6e2;--best:#0b63a5;"
	"--c0:#0072b2;--c1:#d55e00;--c2:#008f66;--c3:#a8488c;--c4:#8a6d00;--c5:#2f8fc4;--c6:#6b6b6b;--c7:#7a3db8}\n"
	"@media (prefers-color-scheme:dark){:root{--ground:#14171b;--card:#1b1f25;--ink:#e6e8eb;--soft:#a3abb5;--line:#363c45;"
	"--grid:#2a2f37;--accent:#6cb6ef;--good:#173824;--bad:#47211c;--best:#6cb6ef;"
	"--c0:#56b4e9;--c1:#f0894a;--c2:#2fc796;--c3:#e08ac4;--c4:#e3c54a;--c5:#9fd3f5;--c6:#b0b0b0;--c7:#b98cf0}}\n"
	"@media print{:root{--ground:#fff;--card:#fff;--ink:#000;--soft:#333;--line:#bbb;--grid:#e4e4e4;--accent:#00458a;--best:#00458a;"
	"--good:#e2f3e6;--bad:#fbe6e2;--c0:#0072b2;--c1:#d55e00;--c2:#008f66;--c3:#a8488c;--c4:#8a6d00;--c5:#2f8fc4;--c6:#6b6b6b;--c7:#7a3db8}}\n";

const char style_page[] =
	"*{box-sizing:border-box}\n"
	"html{scroll-padding-top:3.2rem}\n"
	"body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','Liberation Sans',sans-serif}\n"
	"header,main,footer{max-width:74rem;margin:0 auto;padding:0 1.5rem}\n"
	"header{padding-top:2.2rem;max-width:none}header>*{max-width:71rem;margin-left:auto;margin-right:auto}\n"
	
	"h1{font-size:1.9rem;line-height:1.2;margin:0 auto .3rem;letter-spacing:-.01em;overflow-wrap:anywhere}\n"
	"h2{font-size:1.3rem;margin:0 0 .8rem;letter-spacing:-.005em}h3{font-size:1.02rem;margin:1.8rem 0 .5rem;overflow-wrap:anywhere}\n"
	"nav{position:sticky;top:0;display:flex;flex-wrap:wrap;gap:.2rem 1.3rem;padding:.6rem 0;margin-top:.6rem;border-bottom:1px solid var(--line);background:var(--ground)}\n"
	"a{color:var(--accent);text-decoration:none}a:hover,a:focus{text-decoration:underline}\n"
	"section{padding:2.1rem 0 .4rem}\n"
	"p{max-width:46rem;margin:.4rem 0 .9rem}header>p{max-width:71rem;color:var(--soft);font-size:.88rem;margin:0 auto;overflow-wrap:anywhere}\n"
	".scroll{overflow-x:auto;margin:.6rem 0 1.2rem}\n"
	"table{border-collapse:collapse;min-width:30%;font-size:.9rem;font-variant-numeric:tabular-nums}\n"
	"caption{text-align:left;color:var(--soft);padding:0 0 .35rem;font-size:.88rem}\n"
	"th,td{padding:.34rem .8rem .34rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;font-weight:400;unicode-bidi:isolate}\n"
	"thead th{color:var(--soft);font-weight:600;font-size:.82rem;border-bottom:2px solid var(--line);vertical-align:bottom}\n"
	"tbody tr:hover{background:color-mix(in srgb,var(--accent) 7%,transparent)}\n"
	"thead .n{white-space:nowrap}.n{text-align:right;padding-left:.6rem}tbody .n{white-space:nowrap}.best{font-weight:700;color:var(--best)}.quiet{color:var(--soft)}\n"
	"td.text{white-space:pre-wrap;overflow-wrap:anywhere;min-width:11rem;font:.8rem/1.45 ui-monospace,'DejaVu Sans Mono',monospace;padding:.4rem .7rem}\n"
	"td.right{background:var(--good)}td.wrong{background:var(--bad)}\n"
	".figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,27rem),1fr));gap:1rem;margin:.8rem 0 1.4rem}\n"
	"figure{margin:0;padding:.8rem .9rem .6rem;background:var(--card);border:1px solid var(--line);border-radius:8px}figure.wide{grid-column:1/-1}\n"
	"figure svg{display:block;width:100%;height:auto;margin:0 auto}\n"
	"figcaption{color:var(--soft);font-size:.84rem;padding-top:.3rem;overflow-wrap:anywhere}\n"
	"details{margin:.5rem 0}summary{cursor:pointer;color:var(--accent)}\n"
	"pre{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.8rem;overflow-x:auto;font:.8rem/1.45 ui-monospace,'DejaVu Sans Mono',monospace;unicode-bidi:plaintext}\n"
	"footer{color:var(--soft);font-size:.84rem;padding-top:2rem;padding-bottom:2rem}\n"
	"@media print{nav,footer{display:none}body{font-size:10.5pt}section{padding-top:1rem}figure,tr{break-inside:avoid}h2,h3{break-after:avoid}"
	".figures{grid-template-columns:1fr 1fr}.scroll{overflow:visible}details>pre{white-space:pre-wrap}}\n";

const char style_figures[] =
	"svg{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','Liberation Sans',sans-serif}\n"
	"svg text{fill:var(--ink)}svg .soft{fill:var(--soft)}svg .small{font-size:11px}svg .strong{font-weight:600}svg .on{fill:#101010}\n"
	"svg .end{text-anchor:end}svg .middle{text-anchor:middle}\n"
	".grid{stroke:var(--grid);stroke-width:1}.axis{stroke:var(--line);stroke-width:1}.ground{fill:var(--ground)}\n"
	".line{fill:none;stroke-width:2;stroke-linejoin:round}.raw{fill:none;stroke-width:1;opacity:.28}\n"
	".bar{stroke:none}.whisker{stroke-width:2}.box{fill:var(--card);stroke:var(--line);stroke-width:1.2}.edge{fill:none;stroke:var(--soft);stroke-width:1.2}\n"
	".tip{fill:var(--soft)}\n"
	".s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}.s6{stroke:var(--c6)}.s7{stroke:var(--c7)}\n"
	".f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}.f6{fill:var(--c6)}.f7{fill:var(--c7)}\n"
	"svg .t0{fill:var(--c0)}svg .t1{fill:var(--c1)}svg .t2{fill:var(--c2)}svg .t3{fill:var(--c3)}svg .t4{fill:var(--c4)}svg .t5{fill:var(--c5)}svg .t6{fill:var(--c6)}svg .t7{fill:var(--c7)}\n";
