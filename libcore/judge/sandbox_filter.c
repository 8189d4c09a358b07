#include "judge/sandbox_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#define X32_BIT 0x40000000u
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#define OUR_ARCH 0
#endif

/* Calls that fail: they change the view of the system, look into other processes, take memory that no limit counts, or reach rarely tested
 * parts of the kernel. What would only be useful with privileges is listed all the same. */
static const unsigned refused[] = {
	SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_unshare, SYS_setns, SYS_ptrace, SYS_process_vm_readv,
	SYS_process_vm_writev, SYS_kcmp, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd,
	SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load, SYS_reboot, SYS_swapon, SYS_swapoff,
	SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex, SYS_acct, SYS_quotactl, SYS_syslog, SYS_sethostname,
	SYS_setdomainname, SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_fanotify_init, SYS_personality, SYS_vhangup, SYS_mbind,
	SYS_migrate_pages, SYS_move_pages, SYS_set_mempolicy, SYS_msgget, SYS_semget, SYS_shmget, SYS_memfd_create,
#ifdef __x86_64__
	SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_uselib, SYS_ustat, SYS_sysfs, SYS__sysctl,
#endif
};

/* Of the calls numbered from 424 on (Linux 5.1; the same on all machines) those that programs do use; the rest do not exist. clone3 is
 * among the rest: its flags lie in memory, where a filter cannot look, and the C library then takes clone. */
#define FIRST_NEW 424
static const unsigned new_allowed[] = { 436 /* close_range */, 437 /* openat2 */, 439 /* faccessat2 */, 441 /* epoll_pwait2 */,
					449 /* futex_waitv */, 452 /* fchmodat2 */ };

/* Calls that are allowed with this first argument alone: local sockets, limits of the caller itself. */
static const struct {
	unsigned nr, value;
} first_argument[] = { { SYS_socket, AF_UNIX }, { SYS_prlimit64, 0 } };

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP | 0x80 /* time */)

#define LOAD(field) (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF(test, value, then, otherwise) (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, value, then, otherwise)
#define RETURN(what) (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what)
#define FAIL(error) RETURN(SECCOMP_RET_ERRNO | (error))

int sandbox_filter(struct sock_filter *out)
{
	struct sock_filter *f = out;
	if (OUR_ARCH == 0)
		return 0;
	*f++ = LOAD(arch);
	*f++ = IF(BPF_JEQ, OUR_ARCH, 1, 0);
	*f++ = RETURN(SECCOMP_RET_KILL_PROCESS);
	*f++ = LOAD(nr);
#ifdef X32_BIT
	*f++ = IF(BPF_JGE, X32_BIT, 0, 1);
	*f++ = RETURN(SECCOMP_RET_KILL_PROCESS);
#endif
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		*f++ = IF(BPF_JEQ, refused[i], 0, 1);
		*f++ = FAIL(EPERM);
	}
	for (size_t i = 0; i < sizeof(new_allowed) / sizeof(*new_allowed); i++) {
		*f++ = IF(BPF_JEQ, new_allowed[i], 0, 1);
		*f++ = RETURN(SECCOMP_RET_ALLOW);
	}
	*f++ = IF(BPF_JGE, FIRST_NEW, 0, 1);
	*f++ = FAIL(ENOSYS);
	*f++ = IF(BPF_JEQ, SYS_clone, 0, 4);         /* the low half of its first argument: flags */
	*f++ = LOAD(args[0]);
	*f++ = IF(BPF_JSET, (unsigned)NAMESPACES, 0, 1);
	*f++ = FAIL(EPERM);
	*f++ = RETURN(SECCOMP_RET_ALLOW);
	for (size_t i = 0; i < sizeof(first_argument) / sizeof(*first_argument); i++) {
		*f++ = IF(BPF_JEQ, first_argument[i].nr, 0, 4);
		*f++ = LOAD(args[0]);
		*f++ = IF(BPF_JEQ, first_argument[i].value, 1, 0);
		*f++ = FAIL(EACCES);
		*f++ = RETURN(SECCOMP_RET_ALLOW);
	}
	*f++ = RETURN(SECCOMP_RET_ALLOW);
	return (int)(f - out);
}
