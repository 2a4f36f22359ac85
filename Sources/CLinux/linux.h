// The Linux calls that the toolchain's Glibc module leaves out: epoll and its relatives, and the
// GNU-only functions, whose prototypes are repeated here because defining _GNU_SOURCE in a second
// module next to Glibc does not build (fd_set differs between the two).
#ifndef ONDEMANDD_LINUX_H
#define ONDEMANDD_LINUX_H

#include <linux/sock_diag.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

int malloc_trim(size_t padding);
int accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);
int pipe2(int descriptors[2], int flags);
int pthread_setname_np(pthread_t thread, const char *name);

// prctl is variadic in C, which Swift cannot call.
static inline int ondemandd_become_child_subreaper(void) {
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

// How late the kernel may be for this thread's timeouts, in nanoseconds; it is 50,000 unless somebody has set it.
static inline unsigned long ondemandd_timer_slack(void) { return (unsigned long)prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0); }
static inline void ondemandd_set_timer_slack(unsigned long nanoseconds) {
    prctl(PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0);
}

// One datagram, and the number of the process that sent it, as the kernel vouches for (SCM_CREDENTIALS is 2; its first
// word is the number). There is room for nothing else: descriptors that come along are closed by the kernel.
static inline ssize_t ondemandd_receive_with_sender(int socket, void *buffer, size_t size, int *sender) {
    union {
        char room[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr alignment;
    } control;
    struct iovec piece = {buffer, size};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t count = recvmsg(socket, &message, MSG_DONTWAIT);
    struct cmsghdr *first = count < 0 ? NULL : CMSG_FIRSTHDR(&message);
    *sender = first != NULL && first->cmsg_level == SOL_SOCKET && first->cmsg_type == 2 ? *(int *)CMSG_DATA(first) : 0;
    return count;
}

#endif
