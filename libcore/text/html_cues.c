/* html_cues.c - how the short lines begin that stand around articles; see html_blocks.h.
 *
 * Headings of link lists, invitations, credits of pictures, marks of advertisements, in the languages with most pages. Such a line says
 * nothing itself; that it is short is checked by the caller, so that paragraphs which begin alike are safe. */
#include "text/html_blocks.h"

/* In lower case where that is ASCII; those that end in '$' are the whole line. */
static const char *const cues[] = {
	/* English */
	"related:", "related articles", "related posts", "related stories", "related content", "related news", "related links",
	"related topics", "related products", "related reading", "read more", "read also", "read next", "also read", "see also", "more from",
	"more on", "more stories", "more news", "more like this", "recommended for", "recommended articles", "recommended reading",
	"recommended stories", "you may also", "you might also", "people also", "most popular", "most read", "trending$", "trending now",
	"don't miss", "up next", "latest news", "top stories", "previous post", "next post", "previous article", "next article", "share this",
	"share on", "share via", "share with", "share article", "share:", "share$", "follow us", "subscribe$", "subscribe to", "sign up",
	"newsletter", "leave a reply", "leave a comment", "post a comment", "add a comment", "comments", "comment$", "no comments",
	"print this", "click here to", "support us", "photo:", "photos:", "photo by", "photo credit", "photo :", "image:", "images:",
	"image credit", "image source", "picture:", "credit:", "© ", "(c) ", "copyright", "all rights reserved", "advertisement", "sponsored",
	"tags:", "tags :", "tagged ", "filed under", "posted in", "posted on", "posted by", "category:", "categories", "published on",
	"published:", "last updated", "last modified", "updated:",
	/* German */
	"ähnliche beiträge", "ähnliche artikel", "ähnliche themen", "ähnliche meldungen", "Ähnliche Beiträge", "Ähnliche Artikel",
	"Ähnliche Themen", "Ähnliche Meldungen", "weitere ", "mehr aus ", "mehr zum ", "mehr zu ", "mehr von ", "mehr über ", "mehr infos",
	"lesen sie", "lies auch", "das könnte", "das thema könnte", "auch interessant", "auch lesenswert", "passend dazu", "passende artikel",
	"meistgelesen", "beliebte artikel", "beliebte beiträge", "zum thema", "empfohlene ", "verwandte ", "interessante artikel", "siehe auch",
	"neueste beiträge", "aktuelle beiträge", "vorheriger ", "nächster beitrag", "nächster artikel", "teilen$", "teilen:", "teilen mit",
	"sharen", "artikel teilen", "beitrag teilen", "folgen sie", "folge uns", "jetzt abonnieren", "kommentare", "kommentieren",
	"schreibe einen", "hinterlasse", "einen kommentar", "neuer kommentar", "artikel drucken", "drucken", "seite drucken", "unterstütze uns",
	"unterstützen sie uns", "foto:", "fotos:", "foto :", "bild:", "bilder:", "titelbild:", "titelfoto:", "bildquelle", "bildnachweis",
	"bildrechte", "beitragsbild", "anzeige$", "werbung$", "alle rechte", "schlagwörter", "schlagworte", "stichwörter", "stichworte",
	"kategorie:", "kategorien", "veröffentlicht am", "veröffentlicht:", "zuletzt aktualisiert", "zuletzt geändert", "letzte änderung",
	/* French */
	"à lire", "lire aussi", "lire également", "voir aussi", "articles similaires", "articles liés", "articles récents", "sur le même",
	"dans la même", "vous aimerez", "partager", "suivez-nous", "abonnez-vous", "commentaires", "laisser un", "crédit photo",
	"crédits photo", "crédit :", "photo d'illustration", "publicité$", "mots-clés",
	/* Spanish, Portuguese, Italian */
	"te puede interesar", "te recomendamos", "también te", "lea también", "lee también", "lea además", "leer más", "más noticias",
	"noticias relacionadas", "contenido relacionado", "artículos relacionados", "relacionadas$", "relacionados$", "ver también",
	"compartir", "síguenos", "siguenos", "suscríbete", "comentarios", "deja un", "deja tu", "publicidad$", "etiquetas", "leia mais",
	"leia também", "veja também", "veja mais", "notícias relacionadas", "compartilh", "comentários", "crédito", "foto: ", "leggi anche",
	"articoli correlati", "potrebbe interessarti", "potrebbero interessarti", "condividi", "commenti", "pubblicità$",
	/* Dutch, Polish, Scandinavian, Finnish, Russian, Chinese, Japanese */
	"lees ook", "lees meer", "gerelateerd", "reageer", "zobacz ", "czytaj ", "przeczytaj ", "polecane", "polecamy", "powiązane",
	"udostępnij", "komentarze", "fot.", "reklama$", "läs också", "läs mer", "les også", "læs også", "lue myös", "jaa:", "читайте ",
	"Читайте ", "похожие ", "Похожие ", "комментарии", "Комментарии", "См. также", "相关", "相關", "関連", "推荐", "推薦", "分享到",
	NULL};

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool html_is_cue(const char *s, size_t n)
{
	for (const char *const *cue = cues; *cue; cue++) {
		size_t i = 0;
		while (i < n && (*cue)[i] && lower(s[i]) == (*cue)[i])
			i++;
		if ((*cue)[i] == 0 || (i == n && (*cue)[i] == '$'))
			return true;
	}
	return false;
}
