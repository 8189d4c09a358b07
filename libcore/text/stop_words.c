/* stop_words.c - see stop_words.h. */
#include "text/stop_words.h"

#include "base/hash.h"

#include <string.h>

static const char *const lists[STOP_LANGUAGES] = {
	/* en */ "the be to of and that have with a in is it for on as was are at by this from or an not i you he she they we his her their",
	/* zh */ "的 了 是 在 不 有 和 人 这 我 他 也 就 们 着 到 说 要 会 对",
	/* hi */ "के का की है में से और को पर यह ने हैं कि भी एक नहीं था इस हो कर",
	/* es */ "de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ya",
	/* fr */ "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se il ce sont avec son cette",
	/* ar */ "من في على أن إلى التي عن هذا ما مع لا كان هذه ذلك الذي أو هو كل بعد قد بين كما لم",
	/* bn */ "এই ও না এবং করে থেকে হয় একটি এর তার জন্য কিন্তু সে আমি যে এক কি তারা আর হয়েছে",
	/* pt */ "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem",
	/* ru */ "и в не на я что он с как а по но это к у из за от так о же для она они был его все бы мы",
	/* ur */ "کے کی میں ہے اور سے کا کو اس نے پر کہ ہیں یہ بھی ایک تھا نہیں ان کر",
	/* id */ "yang dan di untuk dengan ini dari dalam tidak itu pada adalah ke akan juga atau oleh telah ada mereka bisa",
	/* de */ "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat dass sie",
	/* ja */ "の に は を た が で て と し れ さ い も な る か ら こ あ",
	/* mr */ "आणि आहे या ते हे मध्ये तो ही आहेत व होते केली एक नाही तर होता यांनी असे हा का",
	/* te */ "ఈ ఆ మరియు ఒక కు ఉంది లో నుండి తన అని కూడా ఇది వారు చాలా ఆయన నేను గా లేదు ఏ కాని",
	/* tr */ "ve bir bu da de için ile çok ne o daha gibi olarak var ama en kadar değil olan ki mi ya sonra",
	/* ta */ "ஒரு இந்த என்று மற்றும் அந்த அது என்ற உள்ள இது தான் என அவர் நான் இருந்து அவர்கள் மிகவும் ஆகும் பல இல்லை நாம்",
	/* vi */ "và của là có các cho trong được một không với này những đã người để khi từ đến về ra như cũng",
	/* ko */ "이 그 수 있다 것 등 및 있는 한 더 또 그리고 는 은 의 가 에 를 을 하는",
	/* it */ "di e che la il un a per è in una sono mi ho non ma lo ha le si i con del al come più questo dei della",
};

#define SLOTS 2048               /* at least twice the words */
static struct { uint64_t key; uint32_t languages; } slots[SLOTS];

/* Where a key is, or would be. */
static uint64_t place_of(uint64_t key)
{
	uint64_t at = key % SLOTS;
	while (slots[at].languages && slots[at].key != key)
		at = (at + 1) % SLOTS;
	return at;
}

__attribute__((constructor)) static void fill(void)
{
	for (int k = 0; k < STOP_LANGUAGES; k++)
		for (const char *s = lists[k]; *s;) {
			size_t n = strcspn(s, " ");
			uint64_t key = hash64(s, n), at = place_of(key);
			slots[at].key = key;
			slots[at].languages |= 1u << k;
			s += n + (s[n] == ' ');
		}
}

uint32_t stop_words_of(const char *s, size_t n)
{
	return slots[place_of(hash64(s, n))].languages;
}
