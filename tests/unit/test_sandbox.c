/* The sandbox against programs that want out of it, and the reading of code and of its output. Where the machine gives no unprivileged
 * namespaces the attacks are skipped, and say so. The attacks are this program's own, run in the sandbox by their name. */
#include "judge/code.h"
#include "judge/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"

/* --- attacks: 0 is success of the attack, else what stopped it --------------------------------------------- */

static int stopped(long result)
{
	return result < 0 ? (errno ? errno : 1) : 0;
}

static int open_for(const char *path, int flags)
{
	return stopped(open(path, flags, 0600));
}

static int connect_out(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80), .sin_addr = { htonl(0x08080808) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	return fd < 0 ? errno : stopped(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int new_thread_way(void)
{
	struct { uint64_t flags, rest[10]; } args = { CLONE_NEWUSER, { 0 } };
	return stopped(syscall(SYS_clone3, &args, sizeof(args)));
}

static int attack(const char *name)
{
	errno = 0;
	if (!strcmp(name, "network")) return connect_out();
	if (!strcmp(name, "raw network")) return stopped(socket(AF_INET6, SOCK_RAW, 0));
	if (!strcmp(name, "netlink")) return stopped(socket(AF_NETLINK, SOCK_RAW, 0));
	if (!strcmp(name, "shadow")) return open_for("/etc/shadow", O_RDONLY);
	if (!strcmp(name, "passwd")) return open_for("/etc/passwd", O_RDONLY);
	if (!strcmp(name, "proc")) return open_for("/proc/1/environ", O_RDONLY);
	if (!strcmp(name, "write usr")) return open_for("/usr/quern-was-here", O_WRONLY | O_CREAT);
	if (!strcmp(name, "write root")) return open_for("/quern-was-here", O_WRONLY | O_CREAT);
	if (!strcmp(name, "write dev")) return open_for("/dev/quern-was-here", O_WRONLY | O_CREAT);
	if (!strcmp(name, "remount")) return stopped(mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL));
	if (!strcmp(name, "unmount")) return stopped(umount2("/usr", MNT_DETACH));
	if (!strcmp(name, "user namespace")) return stopped(unshare(CLONE_NEWUSER));
	if (!strcmp(name, "clone namespace")) return stopped(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
	if (!strcmp(name, "clone3")) return new_thread_way();
	if (!strcmp(name, "become root")) return stopped(setuid(0));
	if (!strcmp(name, "trace init")) return stopped(ptrace(PTRACE_ATTACH, 1, NULL, NULL));
	if (!strcmp(name, "kill init")) return kill(1, SIGKILL) == 0 && (usleep(100000), kill(1, 0)) == 0; /* accepted, and of no effect */
	if (!strcmp(name, "raise limit")) return stopped(syscall(SYS_prlimit64, 1, 7, NULL, NULL));
	if (!strcmp(name, "chroot")) return stopped(chroot("/tmp"));
	if (!strcmp(name, "device")) return stopped(mknod("/tmp/sda", S_IFBLK | 0600, makedev(8, 0)));
	if (!strcmp(name, "bpf")) return stopped(syscall(SYS_bpf, 0, NULL, 0));
	if (!strcmp(name, "io_uring")) return stopped(syscall(425, 8, NULL));
	if (!strcmp(name, "memory file")) return stopped(syscall(SYS_memfd_create, "x", 0));
	if (!strcmp(name, "shared memory")) return stopped(syscall(SYS_shmget, 0, 1 << 20, 01600));
	if (!strcmp(name, "capabilities")) return prctl(PR_CAPBSET_READ, 21) == 1 ? 0 : 1;
	if (!strcmp(name, "new privileges")) return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
	return 99;
}

/* --- running ---------------------------------------------------------------------------------------------- */

static char self[PATH_MAX], folder[PATH_MAX];
static bool available;

static struct sandbox limits(void)
{
	return (struct sandbox){ .wall_s = 10, .cpu_s = 10, .memory_bytes = (int64_t)256 << 20, .disk_bytes = 4 << 20,
				 .output_bytes = 100000, .processes = 20, .files = 64 };
}

static struct sandbox_result sandboxed(const struct sandbox *s, const char *command, const char *input)
{
	struct sandbox_job job = { command, "code", "hello\n", 6, input, strlen(input) };
	struct sandbox_result r = { 0 };
	struct error err = { "" };
	if (!available)
		skip();
	if (sandbox_run(s, &job, &r, &err) != OK)
		fail_msg("%s", err.text);
	return r;
}

static void expect(const struct sandbox *s, const char *command, const char *input, enum sandbox_end end, int code, const char *out)
{
	struct sandbox_result r = sandboxed(s, command, input);
	if (r.end != end || (code >= 0 && r.code != code) || (out && (r.out.len != strlen(out) || (r.out.len && memcmp(r.out.data, out, r.out.len)))))
		fail_msg("%s: end %d, code %d, output '%.*s'", command, (int)r.end, r.code, (int)r.out.len, r.out.data ? r.out.data : "");
	buf_release(&r.out);
}

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void a_program_runs_with_input_file_and_output(void **state)
{
	(void)state;
	struct sandbox s = limits();
	expect(&s, "cat", "some input", SANDBOX_EXITED, 0, "some input");
	expect(&s, "cat \"$CODE\"; pwd; echo $HOME; echo x >&2", "", SANDBOX_EXITED, 0, "hello\n/tmp\n/tmp\n");
	expect(&s, "exit 7", "", SANDBOX_EXITED, 7, "");
	expect(&s, "kill -11 $$", "", SANDBOX_KILLED, SIGSEGV, "");
	expect(&s, "echo kept >f; cat f; ls", "", SANDBOX_EXITED, 0, "kept\ncode\nf\n");
	expect(&s, "ls", "", SANDBOX_EXITED, 0, "code\n"); /* nothing stays from run to run */
	expect(&s, "/nonesuch", "", SANDBOX_EXITED, 127, "");
	expect(&s, "echo a >/dev/null; head -c 3 /dev/zero | wc -c", "", SANDBOX_EXITED, 0, "3\n");
	expect(&s, "ls / | tr '\\n' ' ' | grep -c -e home -e root -e proc -e sys -e mnt", "", SANDBOX_EXITED, 1, "0\n");
	expect(&s, "id -u; hostname", "", SANDBOX_EXITED, 0, "1000\nsandbox\n");
}

static void time_is_limited(void **state)
{
	(void)state;
	struct sandbox s = limits();
	double start = seconds();
	s.wall_s = 0.3;
	expect(&s, "sleep 1000", "", SANDBOX_TIMEOUT, -1, "");
	expect(&s, "trap '' TERM INT HUP; sleep 1000; sleep 1000", "", SANDBOX_TIMEOUT, -1, "");
	expect(&s, "echo first; sleep 1000 & sleep 1000", "", SANDBOX_TIMEOUT, -1, "first\n");
	expect(&s, "exec >&- 2>&- <&-; sleep 1000", "", SANDBOX_TIMEOUT, -1, "");
	assert_true(seconds() - start < 5);
	s.wall_s = 60;
	s.cpu_s = 1;
	expect(&s, "exec sh -c 'while :; do :; done'", "", SANDBOX_TIMEOUT, -1, "");
	assert_true(seconds() - start < 30);
}

static void output_is_limited(void **state)
{
	(void)state;
	struct sandbox s = limits();
	struct sandbox_result r = sandboxed(&s, "yes", "");
	assert_int_equal(r.end, SANDBOX_OUTPUT);
	assert_true((int64_t)r.out.len <= s.output_bytes + 1);
	buf_release(&r.out);
	expect(&s, "yes >&2 & sleep 0.1; echo done", "", SANDBOX_EXITED, 0, "done\n");
	expect(&s, "head -c 100000 /dev/zero | wc -c; exec head -c 99990 /dev/zero", "", SANDBOX_EXITED, 0, NULL);
}

static void memory_and_disk_are_limited(void **state)
{
	(void)state;
	struct sandbox s = limits();
	expect(&s, "head -c 1000000000 /dev/zero | tail | wc -c", "", SANDBOX_EXITED, 0, "0\n"); /* tail keeps a line, and finds no room */
	expect(&s, "head -c 100000000 /dev/zero >big 2>/dev/null; wc -c <big", "", SANDBOX_EXITED, 0, "4190208\n");
	expect(&s, "i=0; while : >f$i 2>/dev/null; do i=$((i + 1)); [ $i -lt 10000 ] || break; done; [ $i -lt 5000 ]", "", SANDBOX_EXITED, -1, "");
}

static void processes_are_limited_and_none_is_left(void **state)
{
	char daemon[80], left[80];

	(void)state;
	struct sandbox s = limits();
	s.wall_s = 2;
	struct sandbox_result r = sandboxed(&s, "f() { f | f & }; f; sleep 1; echo alive", ""); /* the fork bomb */
	assert_true(r.end != SANDBOX_OUTPUT);
	buf_release(&r.out);
	r = sandboxed(&s, "i=0; while [ $i -lt 100 ]; do sleep 50 & i=$((i + 1)); done; echo all", "");
	assert_true(r.out.len == 0 || memcmp(r.out.data, "all", 3) != 0); /* the shell gives up at the twentieth */
	buf_release(&r.out);
	double start = seconds();
	snprintf(daemon, sizeof daemon, "(setsid sh -c 'sleep 31.%d; echo late' &) ; exit 0", (int)getpid());
	expect(&s, daemon, "", SANDBOX_EXITED, 0, "");                /* a daemon ends with the command */
	expect(&s, "i=0; while [ $i -lt 200 ]; do (true & ) ; i=$((i + 1)); done; echo all", "", SANDBOX_EXITED, 0, "all\n"); /* the dead are collected */
	expect(&s, "sleep 50 & kill -9 -1; wait; echo unharmed", "", SANDBOX_EXITED, 0, "unharmed\n");
	expect(&s, "kill -9 1 2>/dev/null; kill -9 $PPID; sleep 0.1; echo still here", "", SANDBOX_EXITED, 0, "still here\n");
	assert_true(seconds() - start < 10);
	snprintf(left, sizeof left, "pgrep -f 'sleep [3]1[.]%d' >/dev/null", (int)getpid());
	assert_int_not_equal(system(left), 0);
}

static void every_attack_fails(void **state)
{
	(void)state;
	static const char *const names[] = {
		"network", "raw network", "netlink", "shadow", "passwd", "proc", "write usr", "write root", "write dev", "remount", "unmount",
		"user namespace", "clone namespace", "clone3", "become root", "trace init", "kill init", "raise limit", "chroot", "device",
		"bpf", "io_uring", "memory file", "shared memory", "capabilities", "new privileges",
	};
	const char *mounts[] = { folder };
	struct sandbox s = limits();
	s.memory_bytes = (int64_t)1 << 46;   /* a build with a sanitizer reserves that much */
	s.mounts = mounts;
	s.n_mounts = 1;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char command[2 * PATH_MAX + 100];
		snprintf(command, sizeof(command), "exec '%s' attack '%s'", self, names[i]);
		struct sandbox_result r = sandboxed(&s, command, "");
		if (r.end != SANDBOX_EXITED || r.code == 0 || r.code >= 99)
			fail_msg("%s: end %d, code %d", names[i], (int)r.end, r.code);
		buf_release(&r.out);
	}
}

static void more_directories_can_be_shown(void **state)
{
	(void)state;
	char command[2 * PATH_MAX + 100];
	const char *mounts[] = { folder, "/nonesuch/at/all" };
	struct sandbox s = limits();
	s.mounts = mounts;
	s.n_mounts = 2;
	snprintf(command, sizeof(command), "test -r '%s' && ! touch '%s/x' 2>/dev/null", self, folder);
	expect(&s, command, "", SANDBOX_EXITED, 0, "");
	s.n_mounts = 0;
	snprintf(command, sizeof(command), "test -e '%s'", self);
	expect(&s, command, "", SANDBOX_EXITED, 1, "");
}

/* --- code ------------------------------------------------------------------------------------------------- */

static void code_is_the_last_block_of_its_language(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "```python\na\n```", "a\n" },
		{ "```python\na\n```\nand\n```python\nb\n```", "b\n" },
		{ "```python\na\n```\noutput:\n```text\n7\n```", "a\n" },
		{ "```\na\n```", "a\n" },
		{ "``` Python \na\n```", "a\n" },
		{ "```python\na", NULL },
		{ "```python", NULL },
		{ "no code", NULL },
		{ "", NULL },
		{ "```c\nx\n```", NULL },
		{ "```python\n```", "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t n = 0;
		const char *got = code_extract(cases[i].text, strlen(cases[i].text), "python", &n);
		if (!got != !cases[i].want || (got && (n != strlen(cases[i].want) || memcmp(got, cases[i].want, n))))
			fail_msg("%s: '%.*s'", cases[i].text, (int)n, got ? got : "");
	}
}

static bool same_output(const char *a, const char *b)
{
	return code_output_equal(a, strlen(a), b, strlen(b));
}

static void outputs_are_compared_line_by_line(void **state)
{
	(void)state;
	assert_true(same_output("1\n2\n", "1\n2"));
	assert_true(same_output(" 1 \r\n2\t\n\n", "1\n 2"));
	assert_true(same_output("", "\n"));
	assert_false(same_output("1", "1\n2"));              /* open-r1's zip would not notice */
	assert_false(same_output("1\n2", "1"));
	assert_false(same_output("1\n\n2", "1\n2"));
	assert_false(same_output("", "1"));
}

int main(int argc, char **argv)
{
	struct sandbox s = limits();
	struct error err;
	if (argc == 3 && strcmp(argv[1], "attack") == 0)
		_exit(attack(argv[2]));
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	snprintf(folder, sizeof(folder), "%.*s", (int)(n > 0 ? strrchr(self, '/') - self : 0), self);
	available = sandbox_check(&s, &err) == OK;
	if (!available)
		print_message("the sandbox is not tested here: %s\n", err.text);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_runs_with_input_file_and_output), cmocka_unit_test(time_is_limited),
		cmocka_unit_test(output_is_limited), cmocka_unit_test(memory_and_disk_are_limited),
		cmocka_unit_test(processes_are_limited_and_none_is_left), cmocka_unit_test(every_attack_fails),
		cmocka_unit_test(more_directories_can_be_shown), cmocka_unit_test(code_is_the_last_block_of_its_language),
		cmocka_unit_test(outputs_are_compared_line_by_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
