# SPDX-FileCopyrightText: 2026 The fossology-backup authors
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Reads a vault with nothing but docs/vault-format.md, python's standard library and the zstd
program, checks everything that the document promises, and prints every blob of a snapshot:

    read_vault.py VAULT SNAPSHOT [KEY]   prints "key name trees", one a line, sorted

An encrypted vault takes the file of a private key, and the age program.
"""

import base64
import hashlib
import io
import json
import os
import re
import struct
import subprocess
import sys
import tarfile


def check(good, what):
    if not good:
        sys.exit(f"not as the document says: {what}")


# The file of a private key, when the vault is encrypted.
private_key = None


def stored(vault, *parts):
    with open(os.path.join(vault, *parts), "rb") as file:
        return file.read()


def read(vault, *parts):
    if private_key is None:
        return stored(vault, *parts)
    path = os.path.join(vault, *parts) + ".age"
    command = ["age", "--decrypt", "--identity", private_key, path]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def check_recipients(vault, head):
    """The changes of recipients are numbered from 1; the first is that of vault.json."""
    names = os.listdir(os.path.join(vault, "recipients"))
    numbers = sorted(int(name.removesuffix(".json")) for name in names)
    check(numbers and numbers[0] == 1, "the numbers of recipients")
    for number in numbers:
        one = json.loads(stored(vault, "recipients", f"{number}.json"))
        check(one["number"] == number and one["recipients"], "recipients")
        check(number > 1 or one["recipients"] == head["recipients"], "the first recipients")
        # The lists' private key opens a snapshot and an index, and no pack.
        sealed = one["list_key"].encode()
        command = ["age", "--decrypt", "--identity", private_key]
        key = subprocess.run(command, input=sealed, stdout=subprocess.PIPE, check=True).stdout
        check(key.startswith(b"AGE-SECRET-KEY-1"), "the key of lists")
        public = subprocess.run(["age-keygen", "-y"], input=key, stdout=subprocess.PIPE, check=True)
        check(public.stdout.decode().strip() == one["lists"], "the public key of lists")
    return key


def opens(key, path):
    """Whether a private key, given as bytes, opens an object."""
    command = ["age", "--decrypt", "--identity", "-", "--output", os.devnull, path]
    return subprocess.run(command, input=key, stderr=subprocess.DEVNULL).returncode == 0


def unzstd(data):
    return subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, check=True).stdout


def roaring(text):
    """The numbers in a Roaring bitmap's portable format."""
    data = io.BytesIO(base64.b64decode(text, validate=True))

    def take(form):
        return struct.unpack("<" + form, data.read(struct.calcsize("<" + form)))

    (cookie,) = take("I")
    runs = b""
    if cookie & 0xFFFF == 12347:
        count = (cookie >> 16) + 1
        runs = data.read((count + 7) // 8)
    else:
        check(cookie == 12346, "a bitmap's cookie")
        (count,) = take("I")
    heads = [take("HH") for _ in range(count)]
    if not runs or count >= 4:
        data.read(4 * count)  # offsets, not needed to read all
    numbers = set()
    for at, (high, cardinality) in enumerate(heads):
        high <<= 16
        if runs and runs[at // 8] >> at % 8 & 1:
            for _ in range(take("H")[0]):
                first, more = take("HH")
                numbers.update(range(high + first, high + first + more + 1))
        elif cardinality + 1 <= 4096:
            numbers.update(high + low for low in take(f"{cardinality + 1}H"))
        else:
            bits = int.from_bytes(data.read(8192), "little")
            numbers.update(high + low for low in range(65536) if bits >> low & 1)
    check(data.read() == b"", "a bitmap's end")
    return numbers


def name_of(content):
    sha1, md5 = hashlib.sha1(content).hexdigest(), hashlib.md5(content).hexdigest()
    return f"{sha1}.{md5}.{len(content)}"


class Record:
    def __init__(self, data):
        sha1, md5, self.size, self.offset, self.length, self.at, self.key, self.trees, zeros = (
            struct.unpack("<20s16sQQQIIB3s", data)
        )
        self.name = f"{sha1.hex()}.{md5.hex()}.{self.size}"
        self.order = (sha1, md5, self.size)
        check(zeros == b"\0\0\0", "zeros in a record")


def read_index(vault, pack, size):
    data = read(vault, "packs", pack[:2], pack + ".idx")
    check(data[:8] == b"FOBIDX1\n", "an index's first bytes")
    count, pack_size, tree = struct.unpack("<QQB", data[8:25])
    check(pack_size == size and data[25:32] == bytes(7), "an index's head")
    check(data[32:64].hex() == pack, "the id in an index")
    check(len(data) == 64 + 72 * count + 32, "an index's length")
    check(hashlib.sha256(data[:-32]).digest() == data[-32:], "an index's digest")
    records = [Record(data[64 + 72 * n :][:72]) for n in range(count)]
    orders = [record.order for record in records]
    check(orders == sorted(set(orders)), "the order of an index")
    return {1: "gold", 2: "files"}[tree], records


def trees_of(bits):
    return {tree for bit, tree in ((1, "gold"), (2, "files")) if bits & bit}


def check_pack(data, tree, records):
    """The frames by the index, then the whole as a tar, have to be the same."""
    by_name = {record.name: record for record in records}
    large = 4 << 20
    frames = {}
    for record in records:
        frames.setdefault((record.offset, record.length), []).append(record)
    end = 0
    for (offset, length), members in sorted(frames.items()):
        check(offset == end, "frames without gaps")
        end = offset + length
        check(data[offset : offset + 4] == b"\x28\xb5\x2f\xfd", "the beginning of a frame")
        check(data[offset + 4] & 4, "a frame's checksum flag")
        content = unzstd(data[offset:end])
        check(len(content) <= 8 << 20 or members[0].size > large, "a frame's size")
        for record in members:
            check(
                name_of(content[record.at : record.at + record.size]) == record.name,
                f"the content of {record.name}",
            )
            check(record.size <= large or len(members) == 1, "frames of a large blob's own")
    check(unzstd(data[end:]) == bytes(1024), "the end frame")
    plain = unzstd(data)
    seen = {}
    for member in tarfile.open(fileobj=io.BytesIO(plain)):
        parts = member.name.split("/")
        name = parts[-1]
        place = [part for part in parts if part in ("gold", "files")][-1]
        check(member.mode == 0o660 and member.uid == member.gid == member.mtime == 0, "a header")
        block = plain[member.offset_data - 512 :][:512]
        check(block[257:265] == b"ustar\x0000", "ustar")
        key = int(block[500:508], 16)
        if member.islnk():
            check(list(seen)[-1] == name, "a link behind its target")
            check(place == "files" and "/files/" in "/" + member.name and key == 0, "a link")
            check(member.linkname == member.name.replace("files/", "gold/", 1), "a link's target")
            seen[name].add(place)
            continue
        check(member.isreg(), "the kind of a member")
        check(key == by_name[name].key, "the key in a header")
        check((tree == "gold") == (place == "gold"), "the tree of a pack")
        folders = parts[parts.index(place) + 1 : -1]
        check("".join(folders) == name[: 2 * len(folders)], "the folders of a path")
        seen[name] = {place}
    check(
        seen == {record.name: trees_of(record.trees) for record in records},
        "index and tar of a pack agree",
    )


def read_stream(vault, stream):
    content = b""
    for chunk in stream["chunks"]:
        part = unzstd(read(vault, "database", chunk[:2], chunk + ".zst"))
        check(hashlib.sha256(part).hexdigest() == chunk, f"chunk {chunk}")
        check(len(part) <= 4 << 20, "a chunk's size")
        content += part
    check(len(content) == stream["size"], "a stream's size")
    return content


def read_snapshot(vault, snapshot):
    data = read(vault, "snapshots", snapshot + ".json")
    lines = data.split(b"\n")
    check(lines[-2:] == [b"}", b""], "a snapshot's last lines")
    before = b"\n".join(lines[:-3]) + b"\n"
    digest = hashlib.sha256(before).hexdigest()
    check(lines[-3] == f'  "sha256": "{digest}"'.encode(), "a snapshot's digest")
    body = json.loads(data)
    check(body["format"] == 1 and body["id"] == snapshot, "a snapshot's format and id")
    check(re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{8}", snapshot), "a snapshot's name")
    return body


def main(vault, snapshot, key=None):
    global private_key
    private_key = key
    head = json.loads(stored(vault, "vault.json"))
    check(head["format"] == 1 and bool(head["recipients"]) == bool(private_key), "vault.json")
    if private_key:
        lists = check_recipients(vault, head)
        place = os.path.join(vault, "snapshots", snapshot + ".json.age")
        check(opens(lists, place), "the lists' key opens a snapshot")
    body = read_snapshot(vault, snapshot)
    for pack in body["packs"] if private_key else []:
        place = os.path.join(vault, "packs", pack["id"][:2], pack["id"])
        check(opens(lists, place + ".idx.age"), "the lists' key opens an index")
        check(not opens(lists, place + ".tar.zst.age"), "the lists' key opens no pack")
    check(body["instance"] == head["instance"], "the instance")
    dump = body["database"]["files"]
    check(read_stream(vault, dump["toc.dat"]).startswith(b"PGDMP"), "the dump")
    for stream in dump.values():
        read_stream(vault, stream)
    for stream in [body["configuration"], *body["directories"].values()]:
        tarfile.open(fileobj=io.BytesIO(read_stream(vault, stream))).getnames()

    by_key, by_name = {}, {}
    for pack in body["packs"]:
        name = pack["id"] + ".tar.zst"
        data = stored(vault, "packs", pack["id"][:2], name + (".age" if private_key else ""))
        check(hashlib.sha256(data).hexdigest() == pack["id"], "a pack's id")
        check(len(data) == pack["size"], "a pack's size")
        tree, records = read_index(vault, pack["id"], len(data))
        data = read(vault, "packs", pack["id"][:2], name)
        check(tree == pack["tree"] and len(records) == pack["blobs"], "what a snapshot says of a pack")
        check_pack(data, tree, records)
        for record in records:
            by_key[record.key] = by_name[record.name] = record

    members = {tree: roaring(text) for tree, text in body["members"].items()}
    aliases = {alias["pfile"]: alias["name"] for alias in body["aliases"]}
    extra = {(extra["pfile"], extra["tree"]) for extra in body["extra"]}
    for tree, keys in members.items():
        check(len(keys) == body["counts"][tree], "the count of members")
    for key in sorted(members["gold"] | members["files"]):
        record = by_name[aliases[key]] if key in aliases else by_key[key]
        trees = {tree for tree, keys in members.items() if key in keys}
        known = trees_of(record.trees) | {tree for tree in trees if (key, tree) in extra}
        check(trees <= known, f"the trees of {record.name}")
        print(key, record.name, ",".join(sorted(trees)))


if __name__ == "__main__":
    main(*sys.argv[1:])
