// Numbers as text where nothing may be allocated, or where even snprintf(3) would be felt.
#ifndef ONDEMANDD_DIGITS_H
#define ONDEMANDD_DIGITS_H

// In decimal and ended by a zero byte; the place of that byte. There must be room for 21.
static inline char *ondemandd_write_number(char *place, unsigned long number) {
    char digits[20];
    int count = 0;
    do digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0) *place++ = digits[--count];
    *place = 0;
    return place;
}

#endif
