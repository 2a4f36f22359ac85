// Starting a program with posix_spawn(3), and process calls that the toolchain's Glibc module does not declare.
#ifndef ONDEMANDD_LAUNCH_H
#define ONDEMANDD_LAUNCH_H

#include "digits.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Declared by <spawn.h> only with _GNU_SOURCE (see linux.h).
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int first);
#ifndef POSIX_SPAWN_SETSID
#define POSIX_SPAWN_SETSID 0x80
#endif

struct ondemandd_launch {
    const char *path;
    char *const *arguments, *const *environment;
    const char *directory;
    // Descriptors 0, 1, 2 and 3 of the child. A negative fourth: none. Unused with a terminal.
    int descriptors[4];
    // The path of a pseudo-terminal. NULL: none.
    const char *terminal;
    struct rlimit file_limit;
    // Ignored signals of the daemon as bits from signal 1 on. execve resets all others.
    unsigned long ignored_signals;
    // Tolerance of the child's timeouts in nanoseconds (prctl(2), PR_SET_TIMERSLACK).
    unsigned long timer_slack;
    // The soft limit of file locks, which is not enforced and inherited by every descendant. 0: unchanged.
    uint64_t mark;
    // Whether the child starts with all signals blocked.
    int blocks_signals;
};

static inline unsigned long ondemandd_signal_bit(int number) { return 1UL << (number - 1); }

// Returns the signals that this process ignores, from its parent (nohup(1)) or by itself. Signals ignored later must be
// added.
static inline unsigned long ondemandd_ignored_signals(void) {
    unsigned long ignored = 0;
    for (int number = 1; number < _NSIG; number++) {
        unsigned long action[4] = {0};
        // The first word is the handler. The call fails for signals that cannot be ignored.
        if (syscall(SYS_rt_sigaction, number, NULL, action, _NSIG / 8) == 0 && action[0] == (unsigned long)SIG_IGN)
            ignored |= ondemandd_signal_bit(number);
    }
    return ignored;
}

// The new session opens the terminal itself: the first terminal that a session's leader opens controls the session.
static inline int ondemandd_add_terminal(posix_spawn_file_actions_t *actions, const char *terminal) {
    int failure = posix_spawn_file_actions_addopen(actions, 0, terminal, O_RDWR, 0);
    for (int fd = 1; fd < 3 && failure == 0; fd++) failure = posix_spawn_file_actions_adddup2(actions, 0, fd);
    return failure;
}

static inline int ondemandd_add_actions(posix_spawn_file_actions_t *actions, const struct ondemandd_launch *launch) {
    int count = launch->descriptors[3] < 0 || launch->terminal != NULL ? 3 : 4;
    int failure = launch->terminal == NULL ? 0 : ondemandd_add_terminal(actions, launch->terminal);
    for (int fd = 0; fd < count && failure == 0 && launch->terminal == NULL; fd++)
        failure = posix_spawn_file_actions_adddup2(actions, launch->descriptors[fd], fd);
    if (failure == 0) failure = posix_spawn_file_actions_addclosefrom_np(actions, count);
    // Descriptors first, because the directory of a program may be on a file system that hangs.
    return failure != 0 ? failure : posix_spawn_file_actions_addchdir_np(actions, launch->directory);
}

static inline int ondemandd_set_attributes(posix_spawnattr_t *attributes, const struct ondemandd_launch *launch) {
    sigset_t usual, mask;
    sigemptyset(&usual);
    for (int number = 1; number < _NSIG; number++) {
        if (launch->ignored_signals & ondemandd_signal_bit(number)) sigaddset(&usual, number);
    }
    // Signals 32 and 33 belong to the C library: sigaddset(3) omits them, and posix_spawn(3) makes a child ignore them.
    unsigned long own = ondemandd_signal_bit(32) | ondemandd_signal_bit(33), bits;
    memcpy(&bits, &usual, sizeof bits);
    bits |= own;
    memcpy(&usual, &bits, sizeof bits);
    if (launch->blocks_signals) sigfillset(&mask);
    else sigemptyset(&mask);
    int failure = posix_spawnattr_setflags(
        attributes, (short)(POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK));
    if (failure == 0) failure = posix_spawnattr_setsigdefault(attributes, &usual);
    return failure != 0 ? failure : posix_spawnattr_setsigmask(attributes, &mask);
}

// Sets a soft limit and returns the previous one.
static inline rlim_t ondemandd_swap_soft_limit(__rlimit_resource_t resource, rlim_t soft) {
    struct rlimit limit;
    getrlimit(resource, &limit);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = soft;
    setrlimit(resource, &limit);
    return before;
}

// Returns the pid or a negative errno value.
//
// posix_spawn(3) has no attribute for limits and the tolerance of timeouts, so this thread sets both during the call.
// No other thread of the daemon opens descriptors, and open ones stay open under a lower limit (getrlimit(2)).
static inline int ondemandd_spawn(const struct ondemandd_launch *launch) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failure = posix_spawn_file_actions_init(&actions);
    if (failure != 0) return -failure;
    failure = posix_spawnattr_init(&attributes);
    if (failure != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return -failure;
    }
    failure = ondemandd_add_actions(&actions, launch);
    if (failure == 0) failure = ondemandd_set_attributes(&attributes, launch);
    pid_t process = -1;
    if (failure == 0) {
        unsigned long slack = (unsigned long)prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
        rlim_t files = ondemandd_swap_soft_limit(RLIMIT_NOFILE, launch->file_limit.rlim_cur);
        rlim_t locks = launch->mark == 0 ? 0 : ondemandd_swap_soft_limit(RLIMIT_LOCKS, launch->mark);
        prctl(PR_SET_TIMERSLACK, launch->timer_slack, 0, 0, 0);
        failure = posix_spawn(&process, launch->path, &actions, &attributes, launch->arguments, launch->environment);
        prctl(PR_SET_TIMERSLACK, slack, 0, 0, 0);
        if (launch->mark != 0) ondemandd_swap_soft_limit(RLIMIT_LOCKS, locks);
        ondemandd_swap_soft_limit(RLIMIT_NOFILE, files);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failure != 0 ? -failure : process;
}

// Whether any soft limit of file locks can be set.
static inline int ondemandd_can_mark_by_limit(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_LOCKS, &limit) == 0 && limit.rlim_max == RLIM_INFINITY;
}

// Executes the program with its own pid in LISTEN_PID (sd_listen_fds(3)). Returns an errno value on failure.
static inline int ondemandd_become(const char *path, char *const *arguments, char **environment, int count) {
    char own[32] = "LISTEN_PID=";
    ondemandd_write_number(own + 11, (unsigned long)getpid());
    char *variables[count + 2];
    for (int position = 0; position < count; position++) variables[position] = environment[position];
    variables[count] = own;
    variables[count + 1] = NULL;
    execve(path, arguments, variables);
    return errno;
}

// Returns the arguments from the initial stack, where they precede the variables: count, words, NULL, variables. The
// toolchain reads them from /proc, which may not be mounted. Valid only before any variable is set.
static inline char **ondemandd_initial_arguments(char **environment, int *count) {
    char **word = environment - 2;
    // The count precedes the first word, and no address is that small.
    for (*count = 0; (uintptr_t)*word != (uintptr_t)*count; word--) ++*count;
    return word + 1;
}

// The path of the executable at the start, from the kernel. NULL: unknown.
static inline const char *ondemandd_started_path(void) { return (const char *)getauxval(AT_EXECFN); }

// Returns a pidfd, which later processes with this pid do not share (pidfd_open(2)), or -1.
static inline int ondemandd_open_process(int process) {
    int descriptor = (int)syscall(SYS_pidfd_open, process, 0);
    if (descriptor >= 0) fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    return descriptor;
}

static inline int ondemandd_signal_process(int descriptor, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, descriptor, signal, NULL, 0);
}

// Whether a child of this process, including exited ones, is in that process group. Until it is reaped the number is
// not reused.
static inline int ondemandd_has_child_in_group(int group) {
    siginfo_t information;
    int status;
    do status = waitid(P_PGID, (id_t)group, &information, WEXITED | WNOHANG | WNOWAIT);
    while (status != 0 && errno == EINTR);
    return status == 0;
}

// Sets the user and group for file access of this thread, including /proc (setfsuid(2)). Returns false on failure.
static inline int ondemandd_open_files_as(unsigned user, unsigned group) {
    syscall(SYS_setfsgid, group);
    syscall(SYS_setfsuid, user);
    // Each call returns the previous identity, and an invalid one changes nothing.
    return (unsigned)syscall(SYS_setfsuid, ~0U) == user && (unsigned)syscall(SYS_setfsgid, ~0U) == group;
}

static inline void ondemandd_set_name(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

#endif
