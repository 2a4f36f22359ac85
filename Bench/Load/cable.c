// The load of a cable: subscribers and publishers in one process, driven by commands on standard input, a JSON line for
// each. Every delivery is checked for loss, order and content.
//
// It shares a core with the hub at the lowest priority and never sleeps while it publishes: the hub runs whenever it has
// something to do, and no delivery has to wake the load. So it uses no epoll either, which each delivery would inform.
// Latencies are the kernel's receive stamps (socket(7), SO_TIMESTAMPNS).
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    IN_FLIGHT = 64,
    PUBLISHERS = 8,
    // Messages of one publisher that are on their way.
    RING = 64,
    MOST_BYTES = 8192,
    LEAST_BYTES = 24,
    TIMEOUT_SECONDS = 30
};

// The others publish over their own protocol, because they have no way by HTTP.
static enum dialect { ACTION_CABLE, PLAIN, QUIET, NATS, MQTT } dialect;
static const char *const dialects[] = {"action-cable", "plain", "quiet", "nats", "mqtt"};

static struct {
    const char *connect, *publish, *path, *channel;
    bool narrow;
} options = {.path = "/cable", .channel = "$pubsub"};

enum stage { UNSENT, UPGRADING, GREETED, SUBSCRIBED, GONE };

struct subscriber {
    int fd;
    enum stage stage;
    uint32_t stream;
    // The sequence number that follows from each publisher, and the distance between two for this stream.
    uint32_t next[PUBLISHERS], step;
    uint64_t received;
    uint8_t *partial;
    uint32_t partial_bytes;
    bool is_slow, was_told;
};

struct message {
    char text[MOST_BYTES + 1];
    size_t bytes;
    uint32_t sequence, remaining;
    uint64_t sent_at, first, last;
};

struct publisher {
    int fd;
    // Answers that are still to come, and when the first of them was asked for.
    uint32_t due;
    uint64_t asked_at;
    uint32_t sent;
    uint8_t unread[4096];
    size_t unread_bytes;
    struct message ring[RING];
};

static struct subscriber *subscribers, *aside;
static uint32_t count, stream_count = 1;
static struct publisher publishers[PUBLISHERS];
static uint64_t published, completed, deliveries, pings;
static bool has_stamps;
static uint8_t shared[4 * SHARED_BYTES];
static char action_answer[512];

// MARK: Figures of a stretch, in microseconds

struct list {
    double *values;
    size_t count, room;
};

static struct list firsts, lasts, answers, besides;

static void note(struct list *list, double value) {
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 256;
        list->values = realloc(list->values, list->room * sizeof *list->values);
    }
    list->values[list->count++] = value;
}

static void print_list(const char *name, struct list *list) {
    printf(",\"%s\":[", name);
    for (size_t index = 0; index < list->count; index++) printf("%s%.1f", index ? "," : "", list->values[index]);
    printf("]");
    list->count = 0;
}

static uint64_t wall_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

// MARK: Messages

// A JSON string of these many bytes: publisher, sequence number, and a pattern that depends on both.
static void compose(char *text, size_t bytes, uint32_t publisher, uint32_t sequence) {
    int begun = sprintf(text, "\"%02u%08x", publisher, sequence);
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    uint32_t letter = (sequence * 7 + publisher) % 26;
    for (size_t index = (size_t)begun; index < bytes - 1; index++) {
        text[index] = letters[letter];
        if (++letter == 26) letter = 0;
    }
    text[bytes - 1] = '"';
}

static void delivered(struct subscriber *one, const char *payload, size_t bytes, uint64_t stamp) {
    if (bytes >= 1 && payload[0] == '{') {
        snprintf(action_answer, sizeof action_answer, "%.*s", (int)bytes, payload);
        return;
    }
    char digits[16] = {0};
    if (bytes < LEAST_BYTES || bytes > MOST_BYTES) return note_error("a message of %zu bytes", bytes);
    memcpy(digits, payload + 1, 10);
    uint32_t sequence = (uint32_t)strtoul(digits + 2, NULL, 16);
    digits[2] = 0;
    uint32_t number = (uint32_t)atoi(digits);
    if (number >= PUBLISHERS) return note_error("a message of an unknown publisher");
    if (sequence != one->next[number]) {
        note_error("message %u of publisher %u came where %u was due", sequence, number, one->next[number]);
        one->next[number] = sequence;
    }
    one->next[number] += one->step;
    one->received++;
    struct message *message = &publishers[number].ring[sequence % RING];
    if (message->sequence == sequence && message->bytes == bytes) {
        if (memcmp(payload, message->text, bytes) != 0) return note_error("a wrong message came");
    } else {
        char text[MOST_BYTES + 1];
        compose(text, bytes, number, sequence);
        if (memcmp(payload, text, bytes) != 0) note_error("a wrong message came");
        return;
    }
    if (one->is_slow) return;
    deliveries++;
    if (stamp) {
        uint64_t taken = stamp > message->sent_at ? stamp - message->sent_at : 0;
        latency_note(taken);
        if (!message->first || stamp < message->first) message->first = stamp;
        if (stamp > message->last) message->last = stamp;
    }
    if (--message->remaining > 0) return;
    completed++;
    if (!stamp || one == aside) return;
    note(&firsts, (double)(message->first - message->sent_at) / 1000);
    note(&lasts, (double)(message->last - message->sent_at) / 1000);
}

// MARK: Protocols

static void say(struct subscriber *one, uint8_t opcode, const void *bytes, size_t size) {
    uint8_t frame[2048];
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t head = frame_write(frame, opcode, size, key);
    if (head + size > sizeof frame) fail("a long command");
    memcpy(frame + head, bytes, size);
    mask(frame + head, size, key);
    if (send(one->fd, frame, head + size, MSG_NOSIGNAL) != (ssize_t)(head + size)) note_error("cannot send a command");
}

static int identifier(char *text, size_t room, uint32_t stream) {
    const char *key = strcmp(options.channel, "$pubsub") == 0 ? "stream_name" : "room";
    return snprintf(text, room, "\"{\\\"channel\\\":\\\"%s\\\",\\\"%s\\\":\\\"s%u\\\"}\"", options.channel, key, stream);
}

static void subscribe(struct subscriber *one) {
    char text[512], name[256];
    int size = 0;
    one->stage = GREETED;
    switch (dialect) {
    case ACTION_CABLE:
        identifier(name, sizeof name, one->stream);
        size = snprintf(text, sizeof text, "{\"command\":\"subscribe\",\"identifier\":%s}", name);
        break;
    case PLAIN: size = snprintf(text, sizeof text, "s%u", one->stream); break;
    case QUIET: one->stage = SUBSCRIBED; return;
    case NATS: size = snprintf(text, sizeof text, "CONNECT {\"verbose\":false}\r\nSUB s%u 1\r\nPING\r\n", one->stream); break;
    case MQTT:
        size = snprintf(name, sizeof name, "s%u", one->stream);
        text[0] = (char)0x82;
        text[1] = (char)(5 + size);
        memcpy(text + 2, (char[]){0, 1, 0, (char)size}, 4);
        memcpy(text + 6, name, (size_t)size);
        text[6 + size] = 0;
        size += 7;
        break;
    }
    say(one, dialect == NATS || dialect == MQTT ? 2 : 1, text, (size_t)size);
}

static void greet(struct subscriber *one) {
    // An MQTT client speaks first: 3.1.1, a clean session, no keep-alive; its name is its socket's.
    char hello[64] = {0x10, 18, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 6};
    if (dialect == MQTT) {
        sprintf(hello + 14, "%06d", one->fd);
        say(one, 2, hello, 20);
    }
    if (dialect == PLAIN || dialect == QUIET) subscribe(one);
}

// NATS: lines, and messages behind a line of their own.
static void lines(struct subscriber *one, char *bytes, size_t size, uint64_t stamp) {
    while (size > 0) {
        char *end = memchr(bytes, '\n', size);
        if (!end) return note_error("half a line");
        size_t line = (size_t)(end + 1 - bytes);
        if (strncmp(bytes, "MSG ", 4) == 0) {
            char *number = end;
            while (number[-1] != ' ') number--;
            size_t length = (size_t)atoi(number);
            if (line + length + 2 > size) return note_error("half a message");
            delivered(one, end + 1, length, stamp);
            line += length + 2;
        } else if (strncmp(bytes, "INFO", 4) == 0) {
            subscribe(one);
        } else if (strncmp(bytes, "PONG", 4) == 0) {
            one->stage = SUBSCRIBED;
        } else if (strncmp(bytes, "PING", 4) == 0) {
            say(one, 2, "PONG\r\n", 6);
        } else if (strncmp(bytes, "-ERR", 4) == 0) {
            note_error("the hub says %.*s", (int)line - 2, bytes);
        }
        bytes += line;
        size -= line;
    }
}

static void packets(struct subscriber *one, char *bytes, size_t size, uint64_t stamp) {
    while (size >= 2) {
        size_t length = 0, head = 1;
        int shift = 0;
        do {
            length |= (size_t)(bytes[head] & 127) << shift;
            shift += 7;
        } while (bytes[head++] & 128 && head < size);
        if (head + length > size) return note_error("half a packet");
        uint8_t kind = (uint8_t)bytes[0] & 0xf0;
        if (kind == 0x20) subscribe(one);
        if (kind == 0x90) one->stage = SUBSCRIBED;
        size_t topic = (size_t)(uint8_t)bytes[head] << 8 | (uint8_t)bytes[head + 1];
        if (kind == 0x30) delivered(one, bytes + head + 2 + topic, length - 2 - topic, stamp);
        bytes += head + length;
        size -= head + length;
    }
}

static bool begins(const char *bytes, size_t size, const char *word) {
    return size >= strlen(word) && memcmp(bytes, word, strlen(word)) == 0;
}

static void action_cable(struct subscriber *one, char *bytes, size_t size, uint64_t stamp) {
    static char before[256];
    static uint32_t stream = UINT32_MAX;
    static int before_bytes;
    if (stream != one->stream) {
        char name[200];
        identifier(name, sizeof name, stream = one->stream);
        before_bytes = sprintf(before, "{\"identifier\":%s,", name);
    }
    if (begins(bytes, size, before)) {
        char *rest = bytes + before_bytes;
        size_t left = size - (size_t)before_bytes;
        if (begins(rest, left, "\"message\":")) return delivered(one, rest + 10, left - 11, stamp);
        if (begins(rest, left, "\"type\":\"confirm_subscription\"")) {
            one->stage = SUBSCRIBED;
            return;
        }
    }
    if (begins(bytes, size, "{\"type\":\"ping\"")) {
        pings++;
    } else if (begins(bytes, size, "{\"type\":\"welcome\"")) {
        subscribe(one);
    } else if (begins(bytes, size, "{\"type\":\"disconnect\"")) {
        one->was_told = memmem(bytes, size, "\"too_slow\",\"reconnect\":true", 27) != NULL;
        if (!one->is_slow) note_error("disconnected: %.*s", (int)size, bytes);
    } else {
        note_error("not understood: %.*s", (int)(size > 200 ? 200 : size), bytes);
    }
}

static void take_payload(struct subscriber *one, const struct frame *frame, char *bytes, uint64_t stamp) {
    size_t size = frame->payload_bytes;
    if (frame->opcode == 8) {
        if (!one->is_slow) note_error("a close frame came");
        return;
    }
    if (frame->opcode == 9) return say(one, 10, bytes, size);
    switch (dialect) {
    case ACTION_CABLE: return action_cable(one, bytes, size, stamp);
    case PLAIN:
        if (size == 2 && one->stage == GREETED) {
            one->stage = SUBSCRIBED;
            return;
        }
        return delivered(one, bytes, size, stamp);
    case QUIET: return delivered(one, bytes, size, stamp);
    case NATS: return lines(one, bytes, size, stamp);
    case MQTT: return packets(one, bytes, size, stamp);
    }
}

// MARK: Reading

static ssize_t receive(int fd, void *bytes, size_t room, uint64_t *stamp) {
    *stamp = 0;
    if (!has_stamps) return recv(fd, bytes, room, 0);
    char control[128];
    struct iovec vector = {bytes, room};
    struct msghdr head = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t size = recvmsg(fd, &head, 0);
    if (size <= 0) return size;
    for (struct cmsghdr *one = CMSG_FIRSTHDR(&head); one; one = CMSG_NXTHDR(&head, one)) {
        if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_TIMESTAMPNS) continue;
        struct timespec time;
        memcpy(&time, CMSG_DATA(one), sizeof time);
        *stamp = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
    }
    return size;
}

static void lose(struct subscriber *one, const char *why) {
    if (!one->is_slow) note_error("a subscriber of stream %u: %s", one->stream, why);
    close(one->fd);
    one->stage = GONE;
}

// True when something was read.
static bool read_one(struct subscriber *one) {
    uint64_t stamp;
    size_t held = one->partial_bytes, used = 0;
    if (held) memcpy(shared, one->partial, held);
    ssize_t size = receive(one->fd, shared + held, SHARED_BYTES, &stamp);
    if (size < 0 && errno == EAGAIN) return false;
    if (size <= 0) {
        lose(one, size == 0 ? "it was closed" : strerror(errno));
        return true;
    }
    size_t whole = held + (size_t)size;
    if (one->stage == UPGRADING) {
        used = head_end(shared, whole);
        if (used && memcmp(shared + 9, "101", 3) != 0) {
            lose(one, "the upgrade was refused");
            return true;
        }
        if (used) {
            one->stage = GREETED;
            greet(one);
        }
    }
    struct frame frame;
    while (one->stage > UPGRADING && one->stage != GONE && frame_read(shared + used, whole - used, &frame) &&
           frame.header_bytes + frame.payload_bytes <= whole - used) {
        take_payload(one, &frame, (char *)shared + used + frame.header_bytes, stamp);
        used += frame.header_bytes + frame.payload_bytes;
    }
    if (held || used < whole) {
        free(one->partial);
        one->partial = NULL;
        one->partial_bytes = (uint32_t)(whole - used);
        if (used < whole) memcpy(one->partial = malloc(whole - used), shared + used, whole - used);
    }
    return true;
}

// MARK: Opening

static void open_one(struct subscriber *one, uint32_t stream, uint32_t step, bool is_narrow) {
    *one = (struct subscriber){.stream = stream, .step = step, .received = published};
    for (uint32_t index = 0; index < PUBLISHERS; index++) {
        one->next[index] = publishers[index].sent;
        while (one->next[index] % step != stream % step) one->next[index]++;
    }
    one->fd = is_narrow ? connect_narrowly_to(options.connect) : connect_to(options.connect);
    if (one->fd < 0) fail("connect: %s", strerror(errno));
    // Closing resets the connection, so that thousands of closed ones leave nothing in the kernel.
    setsockopt(one->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    if (has_stamps) setsockopt(one->fd, SOL_SOCKET, SO_TIMESTAMPNS, &(int){1}, sizeof(int));
}

static void ask(struct subscriber *one) {
    static const char *const protocols[] = {"actioncable-v1-json", NULL, NULL, NULL, "mqtt"};
    char head[1024], path[128];
    bool is_by_path = dialect == PLAIN || dialect == QUIET;
    snprintf(path, sizeof path, is_by_path ? "%s/s%u" : "%s", options.path, one->stream);
    int size = snprintf(
        head, sizeof head,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s%s%s\r\n", path,
        protocols[dialect] ? "Sec-WebSocket-Protocol: " : "", protocols[dialect] ? protocols[dialect] : "",
        protocols[dialect] ? "\r\n" : "");
    if (send(one->fd, head, (size_t)size, MSG_NOSIGNAL) == size) one->stage = UPGRADING;
    else if (errno != EAGAIN && errno != ENOTCONN) fail("the upgrade cannot be sent: %s", strerror(errno));
}

static void open_all(uint32_t wanted) {
    uint32_t flight[IN_FLIGHT], in_flight = 0, begun = 0;
    uint64_t deadline = now_ns() + TIMEOUT_SECONDS * 1000000000ull;
    while (begun < wanted || in_flight > 0) {
        while (begun < wanted && in_flight < IN_FLIGHT) {
            open_one(&subscribers[begun], begun % stream_count, stream_count, begun == 0 && options.narrow);
            flight[in_flight++] = begun++;
        }
        for (uint32_t index = 0; index < in_flight;) {
            struct subscriber *one = &subscribers[flight[index]];
            if (one->stage == UNSENT) ask(one);
            else read_one(one);
            if (one->stage == GONE || errors) fail("only %u subscribers opened", begun - in_flight);
            if (one->stage == SUBSCRIBED) flight[index] = flight[--in_flight];
            else index++;
        }
        if (now_ns() > deadline) fail("%u subscribers are not confirmed", in_flight);
    }
    count = wanted;
}

// MARK: Publishing

static void hello_publisher(struct publisher *publisher) {
    char buffer[2048] = {0x10, 18, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 6};
    struct pollfd ready = {publisher->fd, POLLIN, 0};
    if (dialect == NATS) {
        if (poll(&ready, 1, 5000) != 1 || recv(publisher->fd, buffer, sizeof buffer, 0) <= 0) fail("NATS is silent");
        static const char hello[] = "CONNECT {\"verbose\":false}\r\n";
        if (send(publisher->fd, hello, sizeof hello - 1, 0) < 0) fail("NATS does not listen");
    } else if (dialect == MQTT) {
        sprintf(buffer + 14, "p%05d", publisher->fd);
        if (send(publisher->fd, buffer, 20, 0) != 20) fail("MQTT does not listen");
        if (poll(&ready, 1, 5000) != 1 || recv(publisher->fd, buffer, sizeof buffer, 0) != 4) fail("MQTT is silent");
    }
}

static void open_publisher(struct publisher *publisher) {
    if (publisher->fd > 0) return;
    publisher->fd = connect_to(options.publish);
    if (publisher->fd < 0) fail("connect: %s", strerror(errno));
    struct pollfd ready = {publisher->fd, POLLOUT, 0};
    poll(&ready, 1, 5000);
    if (has_stamps) setsockopt(publisher->fd, SOL_SOCKET, SO_TIMESTAMPNS, &(int){1}, sizeof(int));
    hello_publisher(publisher);
}

static void publish(uint32_t number, size_t bytes, uint32_t messages, int32_t stream) {
    static char body[RING * (MOST_BYTES + 64)], request[sizeof body + 512];
    struct publisher *publisher = &publishers[number];
    size_t size = 0;
    uint32_t first_stream = 0;
    char name[16];
    if (messages > 1 && dialect == ACTION_CABLE) body[size++] = '[';
    for (uint32_t index = 0; index < messages; index++) {
        uint32_t sequence = publisher->sent++;
        struct message *message = &publisher->ring[sequence % RING];
        uint32_t target = stream >= 0 ? (uint32_t)stream : sequence % stream_count;
        if (index == 0) first_stream = target;
        compose(message->text, bytes, number, sequence);
        message->bytes = bytes;
        message->sequence = sequence;
        message->first = message->last = 0;
        message->remaining = stream > 0 ? 1 : count / stream_count - (subscribers[0].is_slow ? 1 : 0);
        int name_bytes = snprintf(name, sizeof name, "s%u", target);
        switch (dialect) {
        case ACTION_CABLE:
            size += (size_t)sprintf(body + size, "%s{\"stream\":\"%s\",\"data\":", index ? "," : "", name);
            memcpy(body + size, message->text, bytes);
            size += bytes;
            body[size++] = '}';
            break;
        case PLAIN:
        case QUIET:
            if (messages > 1) size += (size_t)sprintf(body + size, "%s ", name);
            memcpy(body + size, message->text, bytes);
            size += bytes;
            if (messages > 1) body[size++] = '\n';
            break;
        case NATS:
            size += (size_t)sprintf(body + size, "PUB %s %zu\r\n%.*s\r\n", name, bytes, (int)bytes, message->text);
            break;
        case MQTT: {
            // At least once: its acknowledgement is the answer.
            size_t length = 2 + (size_t)name_bytes + 2 + bytes;
            body[size++] = 0x32;
            while (length > 127) {
                body[size++] = (char)(128 | (length & 127));
                length >>= 7;
            }
            body[size++] = (char)length;
            body[size++] = 0;
            body[size++] = (char)name_bytes;
            memcpy(body + size, name, (size_t)name_bytes);
            size += (size_t)name_bytes;
            body[size++] = 0;
            body[size++] = (char)(1 + index);
            memcpy(body + size, message->text, bytes);
            size += bytes;
            break;
        }
        }
    }
    if (messages > 1 && dialect == ACTION_CABLE) body[size++] = ']';
    if (dialect == NATS) size += (size_t)sprintf(body + size, "PING\r\n");
    char *bytes_to_send = body;
    if (dialect <= QUIET) {
        char path[64];
        if (dialect == ACTION_CABLE) snprintf(path, sizeof path, "/_broadcast");
        else snprintf(path, sizeof path, messages > 1 ? "/pub" : "/pub/s%u", first_stream);
        int head = sprintf(request, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n", path, size);
        memcpy(request + head, body, size);
        size += (size_t)head;
        bytes_to_send = request;
    }
    publisher->due = dialect == MQTT ? messages : 1;
    publisher->asked_at = wall_ns();
    for (uint32_t index = 0; index < messages; index++)
        publisher->ring[(publisher->sent - 1 - index) % RING].sent_at = publisher->asked_at;
    published += messages;
    for (size_t sent = 0; sent < size;) {
        ssize_t taken = send(publisher->fd, bytes_to_send + sent, size - sent, MSG_NOSIGNAL);
        if (taken < 0 && errno != EAGAIN) fail("a publisher was closed");
        if (taken > 0) sent += (size_t)taken;
    }
}

// How many bytes of the answer are whole; 0 while it is not.
static size_t answer_bytes(struct publisher *publisher) {
    uint8_t *bytes = publisher->unread;
    size_t size = publisher->unread_bytes;
    if (dialect == MQTT) return size >= 4 ? 4 : 0;
    if (dialect == NATS) {
        uint8_t *end = memchr(bytes, '\n', size);
        if (!end) return 0;
        if (memcmp(bytes, "PING", 4) == 0 && send(publisher->fd, "PONG\r\n", 6, MSG_NOSIGNAL) != 6) fail("no pong");
        if (memcmp(bytes, "PONG", 4) != 0) {
            publisher->unread_bytes -= (size_t)(end + 1 - bytes);
            memmove(bytes, end + 1, publisher->unread_bytes);
            return answer_bytes(publisher);
        }
        return (size_t)(end + 1 - bytes);
    }
    size_t head = head_end(bytes, size);
    if (!head) return 0;
    if (bytes[9] != '2') note_error("a message was refused: %.*s", (int)head, bytes);
    char last = (char)bytes[head - 1];
    bytes[head - 1] = 0;
    char *length = strcasestr((char *)bytes, "\ncontent-length:");
    size_t whole = head + (length ? (size_t)atoi(length + 16) : 0);
    bytes[head - 1] = (uint8_t)last;
    return whole <= size ? whole : 0;
}

static void read_answer(struct publisher *publisher) {
    if (publisher->due == 0) return;
    uint64_t stamp;
    ssize_t size = receive(
        publisher->fd, publisher->unread + publisher->unread_bytes, sizeof publisher->unread - publisher->unread_bytes,
        &stamp);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) fail("a publisher was closed");
    publisher->unread_bytes += (size_t)size;
    for (size_t used; publisher->due > 0 && (used = answer_bytes(publisher));) {
        publisher->unread_bytes -= used;
        memmove(publisher->unread, publisher->unread + used, publisher->unread_bytes);
        if (--publisher->due == 0 && stamp)
            note(&answers, (double)(stamp > publisher->asked_at ? stamp - publisher->asked_at : 0) / 1000);
    }
}

// Each subscriber that lacks a message is looked at once.
static void look(void) {
    if (stream_count == 1) {
        for (uint32_t index = 0; index < count; index++) {
            struct subscriber *one = &subscribers[index];
            if (one->received < published && !one->is_slow && one->stage != GONE) read_one(one);
        }
        return;
    }
    struct publisher *publisher = &publishers[0];
    for (uint32_t age = 1; age <= RING && age <= publisher->sent; age++) {
        struct message *message = &publisher->ring[(publisher->sent - age) % RING];
        for (uint32_t index = message->sequence % stream_count; message->remaining && index < count; index += stream_count)
            read_one(&subscribers[index]);
    }
}

// Publishes so many messages; `window` of them are on their way at most, `messages` of them in one request.
static void publish_all(uint64_t total, size_t bytes, uint32_t number, uint32_t window, uint32_t messages) {
    uint64_t begin = published, done = completed, deadline = 0;
    for (uint32_t index = 0; index < number; index++) open_publisher(&publishers[index]);
    while (completed - done < total) {
        uint64_t before = completed;
        for (uint32_t index = 0; index < number; index++) {
            uint64_t under_way = (published - begin) - (completed - done);
            if (publishers[index].due || published - begin >= total || under_way + messages > window) continue;
            publish(index, bytes, messages, -1);
        }
        for (uint32_t index = 0; index < number; index++) read_answer(&publishers[index]);
        look();
        if (completed != before || !deadline) deadline = now_ns() + TIMEOUT_SECONDS * 1000000000ull;
        if (errors) return;
        if (now_ns() > deadline) {
            note_error("messages were lost: %llu of %llu came whole", (unsigned long long)(completed - done),
                       (unsigned long long)total);
            return;
        }
    }
    for (uint32_t index = 0; index < number; index++)
        while (publishers[index].due && now_ns() < deadline) read_answer(&publishers[index]);
}

// A message for a stream with one subscriber, while one for all the others is on its way.
static void publish_beside(uint32_t total, size_t bytes) {
    struct publisher *all = &publishers[0], *other = &publishers[PUBLISHERS - 1];
    open_publisher(all);
    open_publisher(other);
    for (uint32_t index = 0; index < total; index++) {
        uint64_t goal = completed + 1, deadline = now_ns() + TIMEOUT_SECONDS * 1000000000ull;
        publish(0, bytes, 1, -1);
        while (all->due && now_ns() < deadline) read_answer(all);
        // Early and late in the delivery.
        uint64_t until = now_ns() + (index % 8) * 2000000;
        while (now_ns() < until) continue;
        publish(PUBLISHERS - 1, bytes, 1, 1);
        uint64_t seen = aside->received;
        struct message *message = &other->ring[(other->sent - 1) % RING];
        while (aside->received == seen && now_ns() < deadline) read_one(aside);
        note(&besides, (double)(message->last - message->sent_at) / 1000);
        for (uint64_t expected = goal + 1; completed < expected && now_ns() < deadline;) look();
        while (other->due && now_ns() < deadline) read_answer(other);
        for (uint32_t each = 0; each < count; each++) subscribers[each].received = published;
    }
}

// MARK: Commands

static void close_all(void) {
    for (uint32_t index = 0; index < count; index++) {
        if (subscribers[index].stage != GONE) close(subscribers[index].fd);
        free(subscribers[index].partial);
    }
    count = 0;
}

// Quiet time: everything that comes is read once a second.
static void listen_for(double seconds) {
    for (uint64_t end = now_ns() + (uint64_t)(seconds * 1e9); now_ns() < end;) {
        uint64_t left = end - now_ns();
        usleep((useconds_t)((left < 1000000000 ? left : 1000000000) / 1000));
        for (uint32_t index = 0; index < count; index++)
            if (!subscribers[index].is_slow && subscribers[index].stage != GONE) read_one(&subscribers[index]);
    }
}

static void act(void) {
    char name[256], text[512];
    identifier(name, sizeof name, subscribers[0].stream);
    int size = snprintf(text, sizeof text, "{\"command\":\"message\",\"identifier\":%s,\"data\":\"{\\\"action\\\":\\\"look\\\"}\"}", name);
    action_answer[0] = 0;
    uint64_t begin = now_ns(), deadline = begin + TIMEOUT_SECONDS * 1000000000ull;
    say(&subscribers[0], 1, text, (size_t)size);
    while (!action_answer[0] && now_ns() < deadline && subscribers[0].stage != GONE) {
        struct pollfd ready = {subscribers[0].fd, POLLIN, 0};
        poll(&ready, 1, 1000);
        read_one(&subscribers[0]);
    }
    if (!action_answer[0]) note_error("an action was not answered");
    printf(",\"milliseconds\":%.3f,\"answer\":%s", (double)(now_ns() - begin) / 1e6, action_answer[0] ? action_answer : "null");
}

// What the slow subscriber has got in the end.
static void drain_slow(void) {
    struct subscriber *slow = &subscribers[0];
    uint64_t before = slow->received, deadline = now_ns() + 5000000000ull;
    while (slow->stage != GONE && now_ns() < deadline) read_one(slow);
    printf(",\"received\":%llu,\"told\":%s,\"closed\":%s", (unsigned long long)(slow->received - before),
           slow->was_told ? "true" : "false", slow->stage == GONE ? "true" : "false");
}

static void answer(char *line) {
    uint64_t numbers[5] = {0};
    char word[32] = "";
    sscanf(line, "%31s %lu %lu %lu %lu %lu", word, &numbers[0], &numbers[1], &numbers[2], &numbers[3], &numbers[4]);
    deliveries = pings = 0;
    latency_clear();
    struct usage before = usage();
    printf("{\"did\":\"%s\"", word);
    if (strcmp(word, "open") == 0) {
        stream_count = (uint32_t)numbers[1];
        subscribers = realloc(subscribers, numbers[0] * sizeof *subscribers);
        open_all((uint32_t)numbers[0]);
    } else if (strcmp(word, "aside") == 0) {
        aside = calloc(1, sizeof *aside);
        open_one(aside, 1, 1, false);
        while (aside->stage != SUBSCRIBED && aside->stage != GONE)
            if (aside->stage == UNSENT) ask(aside);
            else read_one(aside);
    } else if (strcmp(word, "publish") == 0) {
        if (numbers[1] < LEAST_BYTES || numbers[1] > MOST_BYTES || numbers[2] > PUBLISHERS || numbers[3] > RING)
            fail("publish MESSAGES BYTES PUBLISHERS WINDOW IN_ONE");
        publish_all(numbers[0], numbers[1], (uint32_t)numbers[2], (uint32_t)numbers[3], (uint32_t)numbers[4]);
    } else if (strcmp(word, "beside") == 0) {
        publish_beside((uint32_t)numbers[0], numbers[1]);
    } else if (strcmp(word, "listen") == 0) {
        listen_for((double)numbers[0] / 1000);
    } else if (strcmp(word, "slow") == 0) {
        subscribers[0].is_slow = true;
    } else if (strcmp(word, "drain") == 0) {
        drain_slow();
    } else if (strcmp(word, "act") == 0) {
        act();
    } else if (strcmp(word, "close") == 0) {
        close_all();
    } else {
        fail("there is no command \"%s\"", word);
    }
    struct usage after = usage();
    double seconds = (double)(after.at - before.at) / 1e9;
    printf(",\"seconds\":%.6f,\"cpu\":%.6f,\"wait\":%.6f,\"steal\":%.6f,\"deliveries\":%llu,\"pings\":%llu,\"errors\":%llu",
           seconds, (double)(after.run - before.run) / 1e9, (double)(after.wait - before.wait) / 1e9,
           (double)(after.steal - before.steal) / 1e9, (unsigned long long)deliveries,
           (unsigned long long)pings, (unsigned long long)errors);
    printf(",\"p50\":%.2f,\"p99\":%.2f", latency_at(0.5), latency_at(0.99));
    print_list("firsts", &firsts);
    print_list("lasts", &lasts);
    print_list("answers", &answers);
    print_list("besides", &besides);
    printf("}\n");
    fflush(stdout);
}

int cable_main(int argument_count, char **arguments) {
    static const struct option names[] = {
        {"connect", 1, 0, 'c'}, {"publish", 1, 0, 'u'}, {"dialect", 1, 0, 'd'}, {"path", 1, 0, 'a'},
        {"channel", 1, 0, 'n'}, {"pid", 1, 0, 'p'}, {"stamps", 0, 0, 's'}, {"narrow", 0, 0, 'r'}, {0, 0, 0, 0}};
    optind = 0;
    for (int key; (key = getopt_long(argument_count, arguments, "", names, NULL)) != -1;) {
        switch (key) {
        case 'c': options.connect = optarg; break;
        case 'u': options.publish = optarg; break;
        case 'a': options.path = optarg; break;
        case 'n': options.channel = optarg; break;
        case 'p': usage_watch(atoi(optarg)); break;
        case 's': has_stamps = true; break;
        case 'r': options.narrow = true; break;
        case 'd':
            while (strcmp(dialects[dialect], optarg) != 0)
                if (++dialect == sizeof dialects / sizeof *dialects) fail("there is no dialect \"%s\"", optarg);
            break;
        default: exit(2);
        }
    }
    if (!options.connect) fail("cable needs --connect");
    if (!options.publish) options.publish = options.connect;
    char line[256];
    while (fgets(line, sizeof line, stdin)) answer(line);
    return errors ? 1 : 0;
}
