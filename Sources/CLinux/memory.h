// Which parts of memory are clean copies of the program's own files, and giving them back.
#ifndef ONDEMANDD_MEMORY_H
#define ONDEMANDD_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// What <link.h> declares to programs with _GNU_SOURCE only (linux.h says why that is not defined here).
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
    // More follows, of no interest here.
};
int dl_iterate_phdr(int (*visit)(struct dl_phdr_info *object, size_t size, void *argument), void *argument);

static inline int ondemandd_give_back_object(struct dl_phdr_info *object, size_t size, void *argument) {
    (void)size, (void)argument;
    const uintptr_t in_page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
    // The program itself has an empty name; what has another without a path is the kernel's (vdso(7)).
    if (object->dlpi_name[0] != 0 && object->dlpi_name[0] != '/') return 0;
    // The headers that are read here lie in the first segment, and reading them again would bring back pages around them.
    for (int number = object->dlpi_phnum - 1; number >= 0; number--) {
        const ondemandd_segment *segment = &object->dlpi_phdr[number];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0) continue;
        // Whole pages only: what lies beside them on a page is somebody else's.
        uintptr_t begin = object->dlpi_addr + segment->p_vaddr;
        uintptr_t first = (begin + in_page) & ~in_page, end = (begin + segment->p_memsz) & ~in_page;
        if (first < end) madvise((void *)first, end - first, MADV_DONTNEED);
    }
    return 0;
}

// Unmaps what is mapped from the files of the program and its libraries and can never have been written to: PT_LOAD
// without PF_W (elf(5)). What is needed again comes back from the page cache.
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

// Waits for a packet with next to nothing in memory: behind the last page that is given back only this function and one
// of the C library run, and each page that is touched brings fifteen more (the kernel maps 64 KiB around a fault).
static inline ssize_t ondemandd_receive_with_little_memory(int socket, void *buffer, size_t size) {
    struct ondemandd_clean_parts noted = {0};
    dl_iterate_phdr(ondemandd_note_object, &noted);
    for (int number = 0; number < noted.count; number++)
        syscall(SYS_madvise, noted.parts[number].first, noted.parts[number].size, MADV_DONTNEED);
    return syscall(SYS_recvfrom, socket, buffer, size, 0, NULL, NULL);
}

#endif
