// Lookup of listeners without a connection: sock_diag(7) finds a listener as a connection would.
#ifndef ONDEMANDD_LISTENERS_H
#define ONDEMANDD_LISTENERS_H

#include "digits.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <unistd.h>

struct ondemandd_listener {
    uint32_t inode;
    // Connections in the accept queue, and its limit.
    uint32_t queue, backlog;
};

static inline int ondemandd_open_diagnosis(void) {
    return socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
}

// Returns 1 for a listener, 0 for none, -1 if unsupported. The port is in network order.
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
    // The reply is available when send returns. A reply with another number belongs to an earlier request.
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
    // 10 is TCP_LISTEN, defined only in kernel headers.
    if (socket->idiag_state != 10) return -1;
    *found = (struct ondemandd_listener){socket->idiag_inode, socket->idiag_rqueue, socket->idiag_wqueue};
    return 1;
}

// Finds the listener bound to this file, independent of its name. Returns 1 for a listener, 0 for none in this network
// namespace, -1 if unsupported (sock_diag(7), UDIAG_SHOW_VFS). The table has 32 bits of the inode.
static inline int ondemandd_find_unix_listener(int diagnosis, uint32_t number, dev_t device, ino_t file, uint32_t *found) {
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } question = {
        .header = {sizeof question, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, number, 0},
        // 10 is TCP_LISTEN, defined only in kernel headers.
        .request = {.sdiag_family = AF_UNIX, .udiag_states = 1U << 10, .udiag_show = UDIAG_SHOW_VFS}};
    if (send(diagnosis, &question, sizeof question, 0) != sizeof question) return -1;
    // The kernel's format of a device number: 12 bits and 20 bits.
    uint32_t kernel_device = (uint32_t)(major(device) << 20 | minor(device));
    union {
        struct nlmsghdr header;
        char room[8192];
    } answer;
    int count = 0;
    // Read to the end, because an unfinished dump blocks the next request.
    while (1) {
        ssize_t size = recv(diagnosis, &answer, sizeof answer, 0);
        if (size < (ssize_t)sizeof answer.header) return -1;
        const struct nlmsghdr *message = &answer.header;
        for (; NLMSG_OK(message, size); message = NLMSG_NEXT(message, size)) {
            if (message->nlmsg_seq != number) continue;
            if (message->nlmsg_type == NLMSG_DONE) return count > 1 ? -1 : count;
            if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY) return -1;
            const struct unix_diag_msg *socket = (const struct unix_diag_msg *)NLMSG_DATA(message);
            const char *position = (const char *)(socket + 1), *end = (const char *)message + message->nlmsg_len;
            while (end - position >= NLA_HDRLEN) {
                const struct nlattr *attribute = (const struct nlattr *)position;
                if (attribute->nla_len < NLA_HDRLEN) break;
                const struct unix_diag_vfs *place = (const struct unix_diag_vfs *)(position + NLA_HDRLEN);
                position += NLA_ALIGN(attribute->nla_len);
                if (attribute->nla_type != UNIX_DIAG_VFS || end - (const char *)place < (long)sizeof *place) continue;
                if (place->udiag_vfs_ino != (uint32_t)file || place->udiag_vfs_dev != kernel_device) continue;
                *found = socket->udiag_ino;
                count++;
            }
        }
    }
}

// Entry of getdents64(2), declared by the C library only with _GNU_SOURCE.
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

// Returns 1 for that socket, 0 for another file or a closed one, -1 if access is denied.
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

// Returns 1 if the process holds that socket, 0 if not, -1 if access is denied (proc(5), /proc/PID/fd).
//
// Queued clients wait for this lookup. Most servers listen on one of their first descriptors, and checking these by
// name takes half the time of listing all.
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
