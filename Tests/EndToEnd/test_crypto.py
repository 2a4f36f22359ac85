"""What the library computes of bytes, beside Python's hashlib, hmac and base64: every length, random bytes, and the
vectors that take too long for an unoptimised build."""

import base64
import hashlib
import hmac
import os
import random
import subprocess

from daemon import double

HASHES = ("sha1", "sha256", "sha384", "sha512")
SEED = int(os.environ.get("DIFFERENTIAL_SEED", random.randrange(1 << 32)))


def written(value):
    return value.hex() or "-"


def agree(cases):
    """Each case is the question and what Python says; None where it refuses."""
    asked = "".join(question + "\n" for question, _ in cases)
    run = subprocess.run([double(), "--digests"], input=asked, capture_output=True, text=True, timeout=120, check=True)
    answers = run.stdout.split("\n")[:-1]
    assert len(answers) == len(cases)
    for (question, expected), answer in zip(cases, answers):
        assert answer == ("invalid" if expected is None else written(expected)), f"{question} (seed {SEED})"


def test_digests_of_messages_of_every_length_are_those_of_hashlib():
    chance = random.Random(SEED)
    messages = [chance.randbytes(length) for length in [*range(301), 1000, 4095, 4096, 4097, 70_000]]
    agree([(f"hash {name} {written(message)}", hashlib.new(name, message).digest())
           for name in HASHES for message in messages])


def test_keyed_digests_with_keys_and_messages_of_every_length_are_those_of_hmac():
    chance = random.Random(SEED)
    pairs = [(chance.randbytes(length), chance.randbytes(chance.randrange(301))) for length in range(301)]
    pairs += [(chance.randbytes(chance.randrange(301)), chance.randbytes(length)) for length in range(301)]
    agree([(f"hmac {name} {written(key)} {written(message)}", hmac.new(key, message, name).digest())
           for name in HASHES for key, message in pairs])


def test_derived_keys_are_those_of_hashlib():
    chance = random.Random(SEED)
    cases = []
    for name in HASHES:
        for _ in range(40):
            password, salt = chance.randbytes(chance.randrange(200)), chance.randbytes(chance.randrange(80))
            rounds, length = chance.randrange(1, 20), chance.randrange(1, 200)
            cases.append((f"pbkdf2 {name} {written(password)} {written(salt)} {rounds} {length}",
                          hashlib.pbkdf2_hmac(name, password, salt, rounds, length)))
    agree(cases)


def test_the_keys_of_rails_own_test_are_derived():
    """The vectors of Active Support's key_generator_test.rb, with 65,536 and with two iterations."""
    password, salt = written(b"0" * 64), written(b"some_salt")
    vectors = [
        ("sha1", 65536, "b129376f68f1ecae788d7433310249d65ceec090ecacd4c872a3a9e9ec78e055"
                        "739be5cc6956345d5ae38e7e1daa66f1de587dc8da2bf9e8b965af4b3918a122"),
        ("sha1", 2, "cbea7f7f47df705967dc508f4e446fd99e7797b1d70011c6899cd39bbe62907b"
                    "8508337d678505a7dc8184e037f1003ba3d19fc5d829454668e91d2518692eae"),
        ("sha256", 65536, "c92322ad55ee691520e8e0f279b53e7a5cc9c1f8efca98295ae252b04cc6e227"
                          "4c3aaf75ef53b260a6dc548f3e5fbb8af0edf10e7663cf7054c35bcc12835fc0"),
    ]
    agree([(f"pbkdf2 {name} {password} {salt} {rounds} 64", bytes.fromhex(key)) for name, rounds, key in vectors])


def test_the_keys_that_anycable_derives_from_a_secret_are_those_of_its_tests():
    secret = written(b"qwerty")
    agree([(f"hmac sha256 {secret} {written(use)}", bytes.fromhex(key)) for use, key in [
        (b"broadcast-cable", "42923a28b760e667fc92f7c6123bb07a282822b329dd2ef48e7aee7830d98485"),
        (b"api-cable", "bdd0244b3664404d03b7d0c2f1b946dc4fc6c13fdcbfa2be62a4a28deb04d096"),
        (b"rpc-cable", "57c40610d142fe7d7999be4e23dfba4f42c3c542e1f278063e8e3b6a30b0c2bd"),
    ]])


def test_base64_of_every_length_is_pythons_in_both_alphabets_padded_and_bare():
    chance = random.Random(SEED)
    cases = []
    for length in range(301):
        message = chance.randbytes(length)
        for alphabet, encode in (("standard", base64.b64encode), ("url-safe", base64.urlsafe_b64encode)):
            padded = encode(message)
            for form, text in (("padded", padded), ("bare", padded.rstrip(b"="))):
                cases.append((f"encode {alphabet} {form} {written(message)}", text))
                cases.append((f"decode {alphabet} {form} {written(text)}", message))
    agree(cases)


def test_of_texts_that_are_almost_base64_those_are_read_that_python_writes():
    """Python's own decoder is lenient, its encoder is not: a text is right if it is written again from what is read."""
    chance = random.Random(SEED)
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=\n "
    cases = []
    for _ in range(4000):
        text = bytes(chance.choices(letters[:64], k=chance.randrange(9)))
        text += chance.choice([b"", b"=", b"==", b"==="])
        if chance.random() < 0.3 and text:
            place = chance.randrange(len(text))
            text = text[:place] + bytes([chance.choice(letters)]) + text[place + 1:]
        try:
            read = base64.b64decode(text, validate=True)
            expected = read if base64.b64encode(read) == text else None
        except ValueError:
            expected = None
        cases.append((f"decode standard padded {written(text)}", expected))
    assert 100 < sum(expected is not None for _, expected in cases) < 3900
    agree(cases)
