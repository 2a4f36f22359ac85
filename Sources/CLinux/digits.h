// Decimal text without allocation, and cheaper than snprintf(3).
#ifndef ONDEMANDD_DIGITS_H
#define ONDEMANDD_DIGITS_H

// Writes a number in decimal with a terminating zero byte and returns the position of that byte. Needs room for 21
// bytes.
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
