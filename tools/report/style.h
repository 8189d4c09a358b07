/* style.h - how the page looks: colours (light, dark, print), the page, the figures. */
#ifndef QUERN_REPORT_STYLE_H
#define QUERN_REPORT_STYLE_H

extern const char style_colors[], style_page[], style_figures[];

#endif
