// What a child does between its birth and its own program. It borrows the daemon's memory until then, as a child of
// posix_spawn(3) does, and the daemon stands still meanwhile (clone(2), CLONE_VM and CLONE_VFORK). The steps are written
// out here because posix_spawn cannot ask for the parent-death signal.
#ifndef ONDEMANDD_LAUNCH_H
#define ONDEMANDD_LAUNCH_H

#include "digits.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// What glibc's clone(2) is another name of. The thread sanitizer puts a wrapper of its own behind that name, which takes
// every child for one with memory of its own, and ends the program when the memory is borrowed.
int __clone(int (*child)(void *), void *stack, int flags, void *argument, ...);

struct ondemandd_launch {
    const char *path;
    char *const *arguments, *const *environment;
    const char *directory;
    // What becomes descriptors 0, 1, 2 and, unless it is negative, 3.
    int descriptors[4];
    struct rlimit file_limit;
    // What the daemon ignores, as a set of bits from signal 1 on; all others are the program's by execve itself.
    unsigned long ignored_signals;
    // How late the kernel may be for it (prctl(2), PR_SET_TIMERSLACK), as it was for the daemon at first.
    unsigned long timer_slack;
    // Where the child writes its own number, which only it knows (sd_listen_fds(3)), or NULL; room for ten digits.
    char *own_number;
    int parent;
    // The step that failed and its errno; NULL and 0 when none did.
    const char *failed_step;
    int failure;
};

static inline int ondemandd_step_failed(struct ondemandd_launch *launch, const char *step) {
    launch->failure = errno;
    launch->failed_step = step;
    return 127;
}

// Descriptors from `first` on. Without close_range(2) (before Linux 5.9, or forbidden) one by one.
static inline void ondemandd_close_from(int first) {
    if (syscall(SYS_close_range, first, ~0U, 0) == 0) return;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    for (rlim_t fd = (rlim_t)first; fd < limit.rlim_cur; fd++) close((int)fd);
}

static inline unsigned long ondemandd_signal_bit(int number) { return 1UL << (number - 1); }

// The signals that this process ignores, as it was told to by who started it (nohup(1)) or by itself. What it ignores
// from here on has to be added.
static inline unsigned long ondemandd_ignored_signals(void) {
    unsigned long ignored = 0;
    for (int number = 1; number < _NSIG; number++) {
        unsigned long action[4] = {0};
        // The first word is the handler. Of signals that cannot be ignored nothing is said.
        if (syscall(SYS_rt_sigaction, number, NULL, action, _NSIG / 8) == 0 && action[0] == (unsigned long)SIG_IGN)
            ignored |= ondemandd_signal_bit(number);
    }
    return ignored;
}

// Only calls that are safe in borrowed memory: nothing that allocates or locks.
static inline int ondemandd_child(void *argument) {
    struct ondemandd_launch *launch = (struct ondemandd_launch *)argument;
    // Ignored and blocked signals are inherited through execve, and a backend that cannot hear TERM never stops.
    // All zero is the kernel's own form of SIG_DFL; the C library's would leave out two signals that it keeps to itself.
    const unsigned long usual[4] = {0};
    for (int number = 1; number < _NSIG; number++) {
        if (launch->ignored_signals & ondemandd_signal_bit(number))
            syscall(SYS_rt_sigaction, number, usual, NULL, _NSIG / 8);
    }
    prctl(PR_SET_TIMERSLACK, launch->timer_slack, 0, 0, 0);
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    // The daemon may have died before that call; then nobody would ever stop what comes next.
    if (getppid() != launch->parent) return 125;
    int count = launch->descriptors[3] < 0 ? 3 : 4;
    // Out of each other's way first. Descriptors beyond the lower limit can still be duplicated here.
    for (int fd = 0; fd < count; fd++) {
        if (launch->descriptors[fd] > 3) continue;
        launch->descriptors[fd] = fcntl(launch->descriptors[fd], F_DUPFD, 4);
        if (launch->descriptors[fd] < 0) return ondemandd_step_failed(launch, "dup");
    }
    for (int fd = 0; fd < count; fd++) {
        if (dup2(launch->descriptors[fd], fd) < 0) return ondemandd_step_failed(launch, "dup2");
    }
    ondemandd_close_from(count);
    if (setrlimit(RLIMIT_NOFILE, &launch->file_limit) != 0) return ondemandd_step_failed(launch, "setrlimit");
    if (chdir(launch->directory) != 0) return ondemandd_step_failed(launch, "chdir");
    if (launch->own_number != NULL) ondemandd_write_number(launch->own_number, (unsigned long)getpid());
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(launch->path, launch->arguments, launch->environment);
    return ondemandd_step_failed(launch, "execve");
}

// The number of the process, or -1 and what failed. A child that did not get as far as its program is gone already.
static inline int ondemandd_launch_child(struct ondemandd_launch *launch) {
    // Below this frame, which stays as it is until the child has left it.
    char stack[32 * 1024] __attribute__((aligned(16)));
    sigset_t all, before;
    sigfillset(&all);
    launch->failed_step = NULL;
    launch->failure = 0;
    // No handler of ours may run in the child.
    sigprocmask(SIG_BLOCK, &all, &before);
    int process = __clone(ondemandd_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, launch);
    if (process < 0) ondemandd_step_failed(launch, "clone");
    if (process > 0 && launch->failure != 0) {
        while (waitpid(process, NULL, 0) < 0 && errno == EINTR) {}
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return launch->failure == 0 ? process : -1;
}

#endif
