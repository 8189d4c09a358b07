/* char_class.c - see char_class.h. */
#include "text/char_class.h"

#include "text/punctuation.h"
#include "text/unicode.h"

#include <pthread.h>

uint8_t char_class_table[CHAR_CLASS_TABLE];
_Atomic uint8_t char_class_ready[CHAR_CLASS_TABLE >> 8];

unsigned char_class_of(uint32_t c)
{
	return (text_is_alpha(c) ? CHAR_ALPHA : 0) | (text_is_space(c) ? CHAR_SPACE : 0) | (punctuation_is_terminal(c) ? CHAR_TERMINAL : 0) |
	       (punctuation_has(c) ? CHAR_PUNCTUATION : 0);
}

void char_class_fill(uint32_t part)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&lock);
	if (!atomic_load_explicit(&char_class_ready[part], memory_order_relaxed)) {
		for (uint32_t c = part << 8; c < (part + 1) << 8; c++)
			char_class_table[c] = (uint8_t)char_class_of(c);
		atomic_store_explicit(&char_class_ready[part], 1, memory_order_release);
	}
	pthread_mutex_unlock(&lock);
}
