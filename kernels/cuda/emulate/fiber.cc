/* fiber.cc - see fiber.h. */
#include "fiber.h"

#include <stdint.h>

#ifdef __x86_64__
extern "C" void quern_fiber_switch(void **from, void *to);
asm(".text\n"
    ".type quern_fiber_switch, @function\n"
    "quern_fiber_switch:\n"
    "	endbr64\n"
    "	pushq %rbp\n	pushq %rbx\n	pushq %r12\n	pushq %r13\n	pushq %r14\n	pushq %r15\n"
    "	movq %rsp, (%rdi)\n"
    "	movq %rsi, %rsp\n"
    "	popq %r15\n	popq %r14\n	popq %r13\n	popq %r12\n	popq %rbx\n	popq %rbp\n"
    "	ret\n"
    ".size quern_fiber_switch, .-quern_fiber_switch\n");

void fiber_start(struct fiber_context *to, char *stack, size_t bytes, void (*main)(void))
{
	uintptr_t top = ((uintptr_t)stack + bytes) & ~(uintptr_t)63;
	void **sp = (void **)top;

	*--sp = NULL;                /* the return address of main, and the alignment a call leaves */
	*--sp = (void *)main;
	for (int i = 0; i < 6; i++)
		*--sp = NULL;
	to->sp = sp;
}

void fiber_switch(struct fiber_context *from, struct fiber_context *to)
{
	quern_fiber_switch(&from->sp, to->sp);
}
#else
void fiber_start(struct fiber_context *to, char *stack, size_t bytes, void (*main)(void))
{
	getcontext(&to->c);
	to->c.uc_stack.ss_sp = stack;
	to->c.uc_stack.ss_size = bytes;
	to->c.uc_link = NULL;
	makecontext(&to->c, main, 0);
}

void fiber_switch(struct fiber_context *from, struct fiber_context *to)
{
	swapcontext(&from->c, &to->c);
}
#endif
