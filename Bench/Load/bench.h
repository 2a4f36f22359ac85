// What the parts of the load generator share: clocks, sockets, a loop, frames, payloads that can be checked.
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

// Never returns: one sentence on standard error, exit code 1.
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

// MARK: Time

// CLOCK_MONOTONIC in nanoseconds; the same clock in every process, so that stamps of a backend can be compared.
uint64_t now_ns(void);

// MARK: The loop

// Whatever waits for readiness begins with this.
struct waiter {
    void (*ready)(struct waiter *self, uint32_t events);
    int fd;
    bool is_dead;
    struct waiter *next_dead;
};

void loop_open(void);
void loop_add(struct waiter *waiter, uint32_t events);
void loop_change(struct waiter *waiter, uint32_t events);
// Closes the socket now and frees the memory after the batch of events that may still name it.
void loop_drop(struct waiter *waiter);
// One wait of at most so long, and its events.
void loop_turn(int timeout_ms);

// MARK: Sockets

void raise_file_limit(void);
// "PORT", "A.B.C.D:PORT" or "unix:PATH".
int listen_at(const char *address);
// The kernel shares out connections among all who listen there like this (socket(7), SO_REUSEPORT).
int listen_beside_others_at(const char *address);
// Non-blocking, most likely still in progress.
int connect_to(const char *address);
// The same with the buffer and the segments of a network: those of a loopback hold megabytes that are never read.
int connect_narrowly_to(const char *address);
// Never blocks, never delays.
void prepare_socket(int fd);

// MARK: Heads

extern const char upgrade_request[];
extern const char upgrade_answer[];
// Where the head in these bytes ends, 0 while it has not.
size_t head_end(const uint8_t *bytes, size_t count);

// MARK: Frames

struct frame {
    size_t header_bytes;
    uint64_t payload_bytes;
    uint8_t opcode;
    bool is_masked;
    uint8_t key[4];
};

// False while the header is not whole.
bool frame_read(const uint8_t *bytes, size_t count, struct frame *frame);
// Writes a header and returns its length; a key of NULL leaves the payload unmasked.
size_t frame_write(uint8_t *bytes, uint8_t opcode, uint64_t payload_bytes, const uint8_t *key);
void mask(uint8_t *bytes, size_t count, const uint8_t key[4]);

// MARK: Payloads

enum { STAMP_BYTES = 16, BLOCK_BYTES = 4096, BULK_BYTES = 65536, MAX_HEADER = 14, SHARED_BYTES = 256 * 1024 };

// Each block of 4 KiB begins with connection, sequence number and place; the rest is one known pattern.
void payload_write(uint8_t *bytes, size_t count, uint32_t connection, uint32_t sequence);
// Every byte.
bool payload_is(const uint8_t *bytes, size_t count, uint32_t connection, uint32_t sequence);
// A piece of a large payload: the stamps in it.
bool piece_is(const uint8_t *bytes, size_t count, size_t offset, uint32_t connection, uint32_t sequence);

// MARK: The backend's side

enum work { WORK_ECHO, WORK_DOWN, WORK_UP, WORK_BOTH };

// Answers upgrades, then echoes, sinks or sends; answers other requests with 200 and stays.
struct backend {
    enum work work;
    uint64_t bytes_received;
    uint64_t open;
    uint64_t opened;
    // Any of them, to send the same to all.
    struct backend_connection *first;
};

extern struct backend backend;
void backend_listen(int fd);
// Starts sending in bulk on every open connection.
void backend_start_bulk(void);
void backend_stop_bulk(void);
// A text frame to every open connection at once, as Action Cable does.
void backend_ping(const char *text);

// MARK: Bulk, either side

struct sink {
    uint8_t header[MAX_HEADER];
    uint8_t header_fill;
    uint64_t offset;
    uint64_t left;
    uint32_t connection;
    uint32_t sequence;
    bool knows_connection;
};

// Follows whole frames of bulk; returns false at the first wrong stamp.
bool sink_take(struct sink *sink, const uint8_t *bytes, size_t count);

struct source {
    uint8_t *bytes;
    size_t count, sent;
    uint32_t connection, sequence;
    bool is_masked;
};

// Sends until the socket is full, at most so many frames; returns the bytes sent, negative when broken.
int64_t source_push(struct source *source, int fd, int frames);

// MARK: Errors

extern uint64_t errors;
// The first ones are told, all are counted.
void note_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

// MARK: Accounts

void latency_note(uint64_t nanoseconds);
void latency_clear(void);
// In microseconds: this share of the latencies is not above it.
double latency_at(double share);

// Nanoseconds of time, and of all threads on a core or waiting for one: the watched processes', and the load's own.
struct usage {
    uint64_t at, run, wait, own_run, own_wait, steal;
};

void usage_watch(int process);
struct usage usage(void);

// MARK: Commands

int load_main(int count, char **arguments);
int echo_main(int count, char **arguments);
int relay_main(int count, char **arguments);
int boot_main(int count, char **arguments);
int cold_main(int count, char **arguments);
int cable_main(int count, char **arguments);
int hub_main(int count, char **arguments);
int cable_backend_main(int count, char **arguments);

#endif
