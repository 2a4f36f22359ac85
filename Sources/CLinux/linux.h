// Linux calls that the toolchain's Glibc module does not declare: epoll and related calls, and GNU functions. Their
// prototypes are repeated here because a second module with _GNU_SOURCE next to Glibc does not build (fd_set differs).
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

// Tolerance of this thread's timeouts in nanoseconds. The default is 50,000.
static inline unsigned long ondemandd_timer_slack(void) { return (unsigned long)prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0); }
static inline void ondemandd_set_timer_slack(unsigned long nanoseconds) {
    prctl(PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0);
}

// Receives a datagram and the pid of its sender, verified by the kernel (SCM_CREDENTIALS is 2, its first word is the
// pid). There is no room for other control data, so the kernel closes attached descriptors.
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
