/* fiber.h - stacks that take turns on one thread of the machine. On x86-64 a switch saves what the ABI says must be saved; elsewhere
 * ucontext does it. */
#ifndef QUERN_EMULATE_FIBER_H
#define QUERN_EMULATE_FIBER_H

#include <stddef.h>

#ifdef __x86_64__
struct fiber_context { void *sp; };
#else
#include <ucontext.h>
struct fiber_context { ucontext_t c; };
#endif

/* Makes `to` start with main() on the stack [stack, stack + bytes) when first switched to; main never returns. */
void fiber_start(struct fiber_context *to, char *stack, size_t bytes, void (*main)(void));
/* Leaves the running stack in *from and goes on with *to. */
void fiber_switch(struct fiber_context *from, struct fiber_context *to);

#endif
