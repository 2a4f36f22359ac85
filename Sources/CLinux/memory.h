// Finding and releasing memory that is a clean copy of the program's files.
#ifndef ONDEMANDD_MEMORY_H
#define ONDEMANDD_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Declared by <link.h> only with _GNU_SOURCE (see linux.h).
#include <elf.h>
#if UINTPTR_MAX > 0xffffffff
typedef Elf64_Phdr ondemandd_segment;
#else
typedef Elf32_Phdr ondemandd_segment;
#endif
struct dl_phdr_info {
    uintptr_t dlpi_addr;
    const char *dlpi_name;
    const ondemandd_segment *dlpi_phdr;
    uint16_t dlpi_phnum;
    // The rest of the structure is not used.
};
int dl_iterate_phdr(int (*visit)(struct dl_phdr_info *object, size_t size, void *argument), void *argument);

static inline int ondemandd_give_back_object(struct dl_phdr_info *object, size_t size, void *argument) {
    (void)size, (void)argument;
    const uintptr_t in_page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
    // The program itself has an empty name. A name without a path is the kernel's (vdso(7)).
    if (object->dlpi_name[0] != 0 && object->dlpi_name[0] != '/') return 0;
    // The headers are in the first segment, so it is released last. A later read would map the pages around them again.
    for (int number = object->dlpi_phnum - 1; number >= 0; number--) {
        const ondemandd_segment *segment = &object->dlpi_phdr[number];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0) continue;
        // Whole pages only: the rest of a partial page belongs to another mapping.
        uintptr_t begin = object->dlpi_addr + segment->p_vaddr;
        uintptr_t first = (begin + in_page) & ~in_page, end = (begin + segment->p_memsz) & ~in_page;
        if (first < end) madvise((void *)first, end - first, MADV_DONTNEED);
    }
    return 0;
}

// Unmaps read-only segments of the program and its libraries: PT_LOAD without PF_W (elf(5)). Needed pages return from
// the page cache.
static inline void ondemandd_give_back_clean_pages(void) { dl_iterate_phdr(ondemandd_give_back_object, NULL); }

struct ondemandd_clean_parts {
    int count;
    struct {
        uintptr_t first, size;
    } parts[32];
};

static inline int ondemandd_note_object(struct dl_phdr_info *object, size_t size, void *argument) {
    (void)size;
    struct ondemandd_clean_parts *noted = (struct ondemandd_clean_parts *)argument;
    const uintptr_t in_page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
    if (object->dlpi_name[0] != 0 && object->dlpi_name[0] != '/') return 0;
    for (int number = 0; number < object->dlpi_phnum && noted->count < 32; number++) {
        const ondemandd_segment *segment = &object->dlpi_phdr[number];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0) continue;
        uintptr_t begin = object->dlpi_addr + segment->p_vaddr;
        uintptr_t first = (begin + in_page) & ~in_page, end = (begin + segment->p_memsz) & ~in_page;
        if (first >= end) continue;
        noted->parts[noted->count].first = first;
        noted->parts[noted->count++].size = end - first;
    }
    return 0;
}

// Waits for a packet with minimal memory. After the release only this function and one of the C library run. Each
// touched page maps 15 more, because the kernel maps 64 KiB around a fault.
static inline ssize_t ondemandd_receive_with_little_memory(int socket, void *buffer, size_t size) {
    struct ondemandd_clean_parts noted = {0};
    dl_iterate_phdr(ondemandd_note_object, &noted);
    for (int number = 0; number < noted.count; number++)
        syscall(SYS_madvise, noted.parts[number].first, noted.parts[number].size, MADV_DONTNEED);
    return syscall(SYS_recvfrom, socket, buffer, size, 0, NULL, NULL);
}

#endif
