// Clocks, the loop, sockets, frames and payloads: what every part needs.
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>

uint64_t errors;

void fail(const char *format, ...) {
    va_list list;
    va_start(list, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    exit(1);
}

void note_error(const char *format, ...) {
    if (errors++ >= 5) return;
    va_list list;
    va_start(list, format);
    fputs("bench: error: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
}

uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

// MARK: The loop

static int epoll = -1;
static struct waiter *dead;

void loop_open(void) {
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) fail("epoll_create1: %s", strerror(errno));
}

static void control(int operation, struct waiter *waiter, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = waiter};
    if (epoll_ctl(epoll, operation, waiter->fd, &event) != 0) fail("epoll_ctl: %s", strerror(errno));
}

void loop_add(struct waiter *waiter, uint32_t events) { control(EPOLL_CTL_ADD, waiter, events); }
void loop_change(struct waiter *waiter, uint32_t events) { control(EPOLL_CTL_MOD, waiter, events); }

void loop_drop(struct waiter *waiter) {
    if (waiter->is_dead) return;
    close(waiter->fd);
    waiter->is_dead = true;
    waiter->next_dead = dead;
    dead = waiter;
}

void loop_turn(int timeout_ms) {
    static struct epoll_event events[512];
    int count = epoll_wait(epoll, events, 512, timeout_ms);
    if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
    for (int index = 0; index < count; index++) {
        struct waiter *waiter = events[index].data.ptr;
        if (!waiter->is_dead) waiter->ready(waiter, events[index].events);
    }
    while (dead) {
        struct waiter *gone = dead;
        dead = gone->next_dead;
        free(gone);
    }
}

// MARK: Sockets

void raise_file_limit(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static socklen_t parse_address(const char *text, struct sockaddr_storage *storage) {
    memset(storage, 0, sizeof *storage);
    if (strncmp(text, "unix:", 5) == 0) {
        struct sockaddr_un *address = (struct sockaddr_un *)storage;
        address->sun_family = AF_UNIX;
        snprintf(address->sun_path, sizeof address->sun_path, "%s", text + 5);
        return sizeof *address;
    }
    struct sockaddr_in *address = (struct sockaddr_in *)storage;
    address->sin_family = AF_INET;
    char host[64] = "127.0.0.1";
    const char *colon = strchr(text, ':');
    if (colon) snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    if (inet_pton(AF_INET, host, &address->sin_addr) != 1) fail("\"%s\" is no address", text);
    address->sin_port = htons((uint16_t)atoi(colon ? colon + 1 : text));
    return sizeof *address;
}

void prepare_socket(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static int listen_with(const char *text, int option) {
    struct sockaddr_storage address;
    socklen_t size = parse_address(text, &address);
    if (address.ss_family == AF_UNIX) unlink(((struct sockaddr_un *)&address)->sun_path);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, option, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, size) != 0) fail("bind %s: %s", text, strerror(errno));
    if (listen(fd, 4096) != 0) fail("listen %s: %s", text, strerror(errno));
    return fd;
}

int listen_at(const char *text) { return listen_with(text, SO_REUSEADDR); }
int listen_beside_others_at(const char *text) { return listen_with(text, SO_REUSEPORT); }

static int connect_with(const char *text, bool is_narrow) {
    struct sockaddr_storage address;
    socklen_t size = parse_address(text, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket: %s", strerror(errno));
    prepare_socket(fd);
    if (is_narrow) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){32768}, sizeof(int));
        setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &(int){1400}, sizeof(int));
    }
    if (connect(fd, (struct sockaddr *)&address, size) != 0 && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

int connect_to(const char *text) { return connect_with(text, false); }
int connect_narrowly_to(const char *text) { return connect_with(text, true); }

// MARK: Heads

// The example of RFC 6455, 1.3: every client uses the same key, so the answer is known without a hash.
const char upgrade_request[] =
    "GET /cable HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const char upgrade_answer[] =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

size_t head_end(const uint8_t *bytes, size_t count) {
    const uint8_t *end = memmem(bytes, count, "\r\n\r\n", 4);
    return end ? (size_t)(end - bytes) + 4 : 0;
}

// MARK: Frames (RFC 6455, 5.2)

bool frame_read(const uint8_t *bytes, size_t count, struct frame *frame) {
    if (count < 2) return false;
    frame->opcode = bytes[0] & 15;
    frame->is_masked = bytes[1] & 128;
    uint8_t length = bytes[1] & 127;
    size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
    frame->header_bytes = 2 + extended + (frame->is_masked ? 4 : 0);
    if (count < frame->header_bytes) return false;
    frame->payload_bytes = extended ? 0 : length;
    for (size_t index = 0; index < extended; index++) frame->payload_bytes = frame->payload_bytes << 8 | bytes[2 + index];
    if (frame->is_masked) memcpy(frame->key, bytes + 2 + extended, 4);
    return true;
}

size_t frame_write(uint8_t *bytes, uint8_t opcode, uint64_t payload_bytes, const uint8_t *key) {
    size_t extended = payload_bytes < 126 ? 0 : payload_bytes < 65536 ? 2 : 8;
    bytes[0] = 128 | opcode;
    bytes[1] = (uint8_t)((key ? 128 : 0) | (extended == 0 ? payload_bytes : extended == 2 ? 126 : 127));
    for (size_t index = 0; index < extended; index++)
        bytes[2 + index] = (uint8_t)(payload_bytes >> 8 * (extended - 1 - index));
    if (key) memcpy(bytes + 2 + extended, key, 4);
    return 2 + extended + (key ? 4 : 0);
}

void mask(uint8_t *bytes, size_t count, const uint8_t key[4]) {
    uint32_t narrow;
    memcpy(&narrow, key, 4);
    uint64_t wide = narrow | (uint64_t)narrow << 32;
    size_t index = 0;
    for (; index + 8 <= count; index += 8) {
        uint64_t word;
        memcpy(&word, bytes + index, 8);
        word ^= wide;
        memcpy(bytes + index, &word, 8);
    }
    for (; index < count; index++) bytes[index] ^= key[index & 3];
}

// MARK: Payloads

static uint8_t pattern[BULK_BYTES];

static void stamp(uint8_t bytes[STAMP_BYTES], uint32_t connection, uint32_t sequence, uint64_t offset) {
    memcpy(bytes, &connection, 4);
    memcpy(bytes + 4, &sequence, 4);
    memcpy(bytes + 8, &offset, 8);
}

__attribute__((constructor)) static void prepare_pattern(void) {
    for (size_t index = 0; index < sizeof pattern; index++) pattern[index] = (uint8_t)(index * 167 + 13);
}

void payload_write(uint8_t *bytes, size_t count, uint32_t connection, uint32_t sequence) {
    memcpy(bytes, pattern, count);
    for (size_t offset = 0; offset + STAMP_BYTES <= count; offset += BLOCK_BYTES)
        stamp(bytes + offset, connection, sequence, offset);
}

bool payload_is(const uint8_t *bytes, size_t count, uint32_t connection, uint32_t sequence) {
    for (size_t offset = 0; offset < count; offset += BLOCK_BYTES) {
        size_t size = count - offset < BLOCK_BYTES ? count - offset : BLOCK_BYTES;
        uint8_t expected[STAMP_BYTES];
        stamp(expected, connection, sequence, offset);
        if (size < STAMP_BYTES || memcmp(bytes + offset, expected, STAMP_BYTES) != 0) return false;
        if (memcmp(bytes + offset + STAMP_BYTES, pattern + offset + STAMP_BYTES, size - STAMP_BYTES) != 0) return false;
    }
    return true;
}

bool piece_is(const uint8_t *bytes, size_t count, size_t offset, uint32_t connection, uint32_t sequence) {
    size_t block = offset / BLOCK_BYTES * BLOCK_BYTES;
    for (; block < offset + count; block += BLOCK_BYTES) {
        uint8_t expected[STAMP_BYTES];
        stamp(expected, connection, sequence, block);
        size_t from = block < offset ? offset : block;
        size_t to = block + STAMP_BYTES < offset + count ? block + STAMP_BYTES : offset + count;
        if (from < to && memcmp(bytes + (from - offset), expected + (from - block), to - from) != 0) return false;
    }
    return true;
}

// MARK: Bulk

bool sink_take(struct sink *sink, const uint8_t *bytes, size_t count) {
    while (count > 0) {
        if (sink->left == 0) {
            struct frame frame;
            sink->header[sink->header_fill++] = *bytes++;
            count--;
            if (!frame_read(sink->header, sink->header_fill, &frame)) continue;
            if (frame.payload_bytes != BULK_BYTES || frame.opcode != 2) return false;
            sink->left = frame.payload_bytes;
            sink->offset = 0;
            sink->header_fill = 0;
            continue;
        }
        size_t piece = count < sink->left ? count : sink->left;
        if (!sink->knows_connection) {
            // The first stamp of the first frame tells who sends; from then on it may not change.
            if (sink->offset == 0 && piece >= 4) memcpy(&sink->connection, bytes, 4);
            sink->knows_connection = true;
        }
        if (!piece_is(bytes, piece, sink->offset, sink->connection, sink->sequence)) return false;
        sink->offset += piece;
        sink->left -= piece;
        bytes += piece;
        count -= piece;
        if (sink->left == 0) sink->sequence++;
    }
    return true;
}

#include <sys/types.h>

int64_t source_push(struct source *source, int fd, int frames) {
    static const uint8_t no_key[4] = {0, 0, 0, 0};
    int64_t total = 0;
    if (!source->bytes) source->bytes = malloc(BULK_BYTES + MAX_HEADER);
    while (true) {
        if (source->sent == source->count) {
            if (frames-- == 0) return total;
            // A key of zeroes: masking would only measure the generator.
            size_t header = frame_write(source->bytes, 2, BULK_BYTES, source->is_masked ? no_key : NULL);
            if (source->sequence == 0) {
                payload_write(source->bytes + header, BULK_BYTES, source->connection, 0);
            } else {
                for (size_t offset = 0; offset < BULK_BYTES; offset += BLOCK_BYTES)
                    memcpy(source->bytes + header + offset + 4, &source->sequence, 4);
            }
            source->sequence++;
            source->count = header + BULK_BYTES;
            source->sent = 0;
        }
        ssize_t sent = send(fd, source->bytes + source->sent, source->count - source->sent, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN ? total : -1;
        source->sent += (size_t)sent;
        total += sent;
    }
}
