// Who listens at an address of this machine, asked without knocking: sock_diag(7) looks it up as a connection would.
#ifndef ONDEMANDD_LISTENERS_H
#define ONDEMANDD_LISTENERS_H

#include "digits.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ondemandd_listener {
    uint32_t inode;
    // Connections that nobody has accepted yet, and how many may wait.
    uint32_t queue, backlog;
};

static inline int ondemandd_open_diagnosis(void) {
    return socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
}

// 1 for somebody, 0 for nobody, -1 when the system does not say. The port is in network order.
static inline int ondemandd_find_listener(
    int diagnosis, uint32_t number, int family, const void *address, uint16_t port, struct ondemandd_listener *found) {
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } question = {
        .header = {sizeof question, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, number, 0},
        .request = {.sdiag_family = (uint8_t)family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0U}};
    question.request.id.idiag_sport = port;
    memcpy(question.request.id.idiag_src, address, family == AF_INET ? 4 : 16);
    question.request.id.idiag_cookie[0] = question.request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    if (send(diagnosis, &question, sizeof question, 0) != sizeof question) return -1;
    union {
        struct nlmsghdr header;
        char room[1024];
    } answer;
    // The kernel has answered when send returns. What does not have our number belongs to an earlier question.
    do {
        ssize_t count = recv(diagnosis, &answer, sizeof answer, 0);
        if (count < (ssize_t)sizeof answer.header) return -1;
    } while (answer.header.nlmsg_seq != number);
    if (answer.header.nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *error = (const struct nlmsgerr *)NLMSG_DATA(&answer.header);
        return error->error == -ENOENT ? 0 : -1;
    }
    const struct inet_diag_msg *socket = (const struct inet_diag_msg *)NLMSG_DATA(&answer.header);
    if (answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY || answer.header.nlmsg_len < NLMSG_LENGTH(sizeof *socket)) return -1;
    // 10 is TCP_LISTEN, in the kernel's own headers.
    if (socket->idiag_state != 10) return -1;
    *found = (struct ondemandd_listener){socket->idiag_inode, socket->idiag_rqueue, socket->idiag_wqueue};
    return 1;
}

// Of getdents64(2), whose name the C library declares only with _GNU_SOURCE.
struct ondemandd_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

struct ondemandd_socket_name {
    char text[32];
    size_t length;
};

// 1 when that is the socket, 0 when it is something else or has just been closed, -1 when nobody lets us look.
static inline int ondemandd_is_socket(int directory, const char *path, const struct ondemandd_socket_name *socket) {
    char target[sizeof socket->text];
    ssize_t size = readlinkat(directory, path, target, sizeof target);
    if (size < 0) return errno == EACCES || errno == EPERM ? -1 : 0;
    return (size_t)size == socket->length && memcmp(target, socket->text, socket->length) == 0;
}

static inline int ondemandd_is_in_directory(const char *path, const struct ondemandd_socket_name *socket) {
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return -1;
    union {
        struct ondemandd_entry first;
        char room[2048];
    } entries;
    long count;
    int found = 0;
    while (found == 0 && (count = syscall(SYS_getdents64, directory, &entries, sizeof entries)) > 0) {
        for (long position = 0; position < count && found == 0;) {
            const struct ondemandd_entry *entry = (const struct ondemandd_entry *)(entries.room + position);
            position += entry->size;
            if (entry->name[0] != '.') found = ondemandd_is_socket(directory, entry->name, socket);
        }
    }
    close(directory);
    return found;
}

// 1 when the process holds that socket, 0 when it does not, -1 when it does not let us look (proc(5), /proc/PID/fd).
//
// While a backend boots every client waits for this. Most servers listen on one of their first descriptors, and asking
// for those by name takes half the time that it takes to list them all.
static inline int ondemandd_holds_socket(int process, uint32_t inode) {
    struct ondemandd_socket_name socket = {.text = "socket:["};
    char *end = ondemandd_write_number(socket.text + strlen(socket.text), inode);
    *end++ = ']';
    socket.length = (size_t)(end - socket.text);
    char path[64] = "/proc/";
    char *rest = ondemandd_write_number(path + strlen(path), (unsigned long)process);
    for (unsigned long descriptor = 3; descriptor < 8; descriptor++) {
        memcpy(rest, "/fd/", 5);
        ondemandd_write_number(rest + 4, descriptor);
        int found = ondemandd_is_socket(AT_FDCWD, path, &socket);
        if (found != 0) return found;
    }
    rest[3] = 0;
    return ondemandd_is_in_directory(path, &socket);
}

#endif
