#!/usr/bin/env python3
"""An independent reader of the Vow archive format, version 1.

Written from docs/format.md alone, to prove that the text suffices; section numbers below refer to it. It lists, restores
and verifies snapshots with nothing but a vault directory and an age identity.

Exit status: 0 done; 1 refused or failed, with one line on stderr; 2 wrong usage; 3 restored, but some metadata or special
file could not be set (one line each on stderr).
"""

import argparse
import hashlib
import io
import os
import re
import stat
import sys
from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

try:
    import cbor2
    import pyrage
    import zstandard
    from blake3 import blake3
    from cryptography.exceptions import InvalidSignature, InvalidTag
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
except ImportError as missing:
    sys.exit(f"vow_reader: {missing}; the packages needed are in tools/requirements.txt")

MIB = 1 << 20
MAX_CONTENT = 16 * MIB
MAX_GROUP = MIB
MAX_GROUP_CHUNKS = 1024
MAX_PACK = 64 * MIB
MAX_RECORDS = 4_194_304
MAX_KEY_BLOB = 16_384
MAX_MANIFEST = MAX_LIST = MIB
MAX_INDEX = 16 * MIB
MAX_TREE_DEPTH = 16  # of nodes and of pack lists; a bound of this reader, not of the format
MAX_NUMBER = (1 << 63) - 1

DATA, LEAF, NODE, CHUNK_LIST, ROOT, PADDING, TRAILER, TAIL = range(1, 9)
FILE, DIRECTORY, SYMLINK, CHARACTER_DEVICE, BLOCK_DEVICE, FIFO = range(6)
STATUS = {0: "ok", 1: "partial"}


class Refused(Exception):
    """The archive, or what was asked of it, is not acceptable; the text is one line for the user."""


class Missing(Refused):
    """A part of the vault is absent."""


# ---- commands ----------------------------------------------------------------------------------------------------------


def main():
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    args = parse_arguments()
    try:
        status = args.run(args)
        sys.stdout.flush()
        return status
    except (Refused, OSError) as error:
        message = str(error)
    except KeyboardInterrupt:
        message = "interrupted"
    except BaseException as error:  # also the panics of native libraries; whatever an archive does, it gets one line
        if isinstance(error, SystemExit):
            raise
        message = f"unexpected {type(error).__name__}: {error}"
    say(f"vow_reader: {message}")
    return 1


def parse_arguments():
    parser = argparse.ArgumentParser(description="Reads Vow archives (format version 1).")
    parser.add_argument("vault", metavar="VAULT_DIR")
    parser.add_argument("--identity", metavar="FILE", help="age identity file; needed to restore and verify")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for run, text in (
        (list_snapshots, "one line a snapshot: id, host name, source, sequence, status, files, bytes"),
        (restore, "restore a snapshot below a directory"),
        (verify, "open and check everything a snapshot refers to"),
    ):
        command = commands.add_parser({list_snapshots: "list"}.get(run, run.__name__), help=text, description=text)
        command.set_defaults(run=run)
        if run is not list_snapshots:
            command.add_argument("snapshot", metavar="SNAPSHOT", help="id, unique prefix of it, or SOURCE@latest")
        if run is restore:
            command.add_argument("target", metavar="TARGET_DIR")
        command.add_argument("--host-key", metavar="HEX", help="the public key the host must have")
    return parser.parse_args()


def list_snapshots(args):
    vault, damaged = Vault(args.vault, args.host_key), 0
    for host in vault.hosts():
        found = []
        for name in vault.manifest_names(host):
            try:
                found.append(vault.manifest(host, name))
            except Refused as error:
                say(f"vow_reader: {error}")
                damaged = 1
        for m in sorted(found, key=lambda m: m.sequence):
            status = STATUS.get(m.status, f"status {m.status}")
            row = (m.id, m.host_name, m.source, m.sequence, status, m.files, m.bytes)
            print("\t".join(printable(str(column)) for column in row))
    return damaged


def restore(args):
    snapshot = open_snapshot(args)
    target, counts = Target(args.target), Counts()
    for entry, table in snapshot.entries():
        counts.add(entry)
        target.create(entry, snapshot.content(entry, table))
    open_directories = []  # their metadata comes last, children first, so that nothing disturbs it any more
    for entry, _ in snapshot.entries():
        while open_directories and not is_below(entry.path, open_directories[-1].path):
            target.finish_directory(open_directories.pop())
        if entry.kind == DIRECTORY:
            open_directories.append(entry)
    while open_directories:
        target.finish_directory(open_directories.pop())
    print(f"restored {snapshot.manifest.id}: {counts}")
    if snapshot.problems:
        say(f"vow_reader: note: the snapshot is partial; it names {snapshot.problems} problems of its own")
    return 3 if target.incomplete else 0


def verify(args):
    snapshot = open_snapshot(args)
    manifest, packs = snapshot.manifest, snapshot.packs
    listed = list(snapshot.vault.pack_list(manifest))
    packs.allowed = set(listed)
    if len(packs.allowed) != len(listed):
        raise Refused("the pack list names a pack twice")
    if snapshot.root_reference.pack not in packs.allowed:
        raise Refused("the pack of the root record is not in the pack list")
    records = groups = stored = 0
    for pack_id in listed:
        pack = packs.get(pack_id)
        more_records, more_groups = pack.check_everything(snapshot.ids)
        records, groups = records + more_records, groups + more_groups
        stored += pack.size
    missing = sum(not snapshot.vault.check_index_segment(manifest, segment) for segment in manifest.index)
    counts = Counts()
    for entry, table in snapshot.entries():
        counts.add(entry)
        for _ in snapshot.content(entry, table):
            pass
    print(f"verified {manifest.id}: {counts}; {len(listed)} packs, {records} records ({groups} groups), {stored} bytes stored")
    if missing:
        say(f"vow_reader: note: {missing} index segments are absent; no restore needs them")
    return 0


@dataclass
class Counts:
    files: int = 0
    directories: int = 0
    others: int = 0
    bytes: int = 0

    def add(self, entry):
        if entry.kind == FILE:
            self.files += 1
            self.bytes += entry.content_size
        elif entry.kind == DIRECTORY:
            self.directories += 1
        else:
            self.others += 1

    def __str__(self):
        return f"{self.files} files, {self.directories} directories, {self.others} others, {self.bytes} bytes of content"


def open_snapshot(args):
    if not args.identity:
        raise Refused("an identity is needed: --identity FILE")
    identities = read_identities(args.identity)
    vault = Vault(args.vault, args.host_key)
    return Snapshot(vault, vault.find(args.snapshot), identities)


def read_identities(path):
    with open(path, "rb") as file:
        lines = file.read(MIB).decode("utf-8", "replace").splitlines()
    lines = [line.strip() for line in lines]
    try:
        identities = [
            pyrage.x25519.Identity.from_str(line) for line in lines if line.upper().startswith("AGE-SECRET-KEY-1")
        ]
    except pyrage.IdentityError as error:
        raise Refused(f"the identity file holds a malformed identity: {error}")
    if not identities:
        raise Refused("the identity file holds no line that starts with AGE-SECRET-KEY-1")
    return identities


# ---- the vault: names, manifests and pack lists (sections 1 and 6) -----------------------------------------------------


@dataclass
class Manifest:
    id: str
    host: str
    host_key: bytes
    host_name: str
    source: str
    sequence: int
    status: int
    files: int
    bytes: int
    root: list
    pack_list: "Fields"
    index: list


class Vault:
    def __init__(self, path, expected_host_key=None):
        self.path = path
        self.expected_key = None
        if expected_host_key is not None:
            self.expected_key = unhex(expected_host_key.lower(), "the host key given")
        if not os.path.isdir(self.place("hosts")):
            raise Refused(f"{path} is not a vault: it has no directory hosts")
        try:
            banner = read_file(self.place("VOW"), 4096, "VOW")
        except Missing:
            return  # a restore needs only what is below hosts/
        if banner.split(b"\n")[0] != b"vow vault 1":
            raise Refused(f"{path} is not a vault of version 1")

    def place(self, *names):
        return os.path.join(self.path, *names)

    def hosts(self):
        if self.expected_key is not None:
            return [hashlib.sha256(self.expected_key).hexdigest()]
        return ids_in(self.place("hosts"))

    def host_key(self, host):
        """The key a manifest of this host must be signed with; the host id is its digest."""
        key = self.expected_key
        if key is None:
            text = read_file(self.place("hosts", host, "host.pub"), 4096, f"host.pub of host {host}")
            match = re.fullmatch(rb"ed25519 ([0-9a-f]{64})\n", text)
            if not match:
                raise Refused(f"host.pub of host {host} is malformed")
            key = bytes.fromhex(match[1].decode())
        if hashlib.sha256(key).hexdigest() != host:
            raise Refused(f"the key of host {host} is not the one its id stands for")
        return key

    def manifest_names(self, host):
        return ids_in(self.place("hosts", host, "manifests"))

    def manifest(self, host, name):
        what = f"manifest {name}"
        key = self.host_key(host)
        stored = read_object(self.place("hosts", host, "manifests", name), name, MAX_MANIFEST, what)
        if stored[:8] != b"VOWMANI1" or len(stored) < 72:
            raise Refused(f"{what} is not a manifest")
        signature, payload = stored[8:72], stored[72:]
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, b"vow manifest v1\0" + payload)
        except (InvalidSignature, ValueError):
            raise Refused(f"{what} is not signed by its host's key")
        fields = decode(payload, what)
        fields.version(0)
        if fields.bytes(1, size=32) != key:
            raise Refused(f"{what} names another host key than its host's")
        counts = fields.map(12)
        return Manifest(
            id=name,
            host=host,
            host_key=key,
            host_name=fields.text(3),
            source=fields.text(4),
            sequence=fields.number(6),
            status=fields.number(11, 0),
            files=counts.number(0, 0),
            bytes=counts.number(3, 0),
            root=fields.array(14),
            pack_list=fields.map(15),
            index=fields.ids(16, b""),
        )

    def find(self, wanted):
        if wanted.endswith("@latest"):
            return self.find_latest(wanted.removesuffix("@latest"))
        wanted = wanted.lower()
        hosts = ids_in(self.place("hosts"))
        found = [(host, name) for host in hosts for name in self.manifest_names(host) if name.startswith(wanted)]
        if not found or not wanted:
            raise Refused(f"no snapshot {wanted}")
        if len(found) > 1:
            raise Refused(f"{len(found)} snapshots start with {wanted}; give more digits")
        host, name = found[0]
        if host not in self.hosts():
            raise Refused(f"snapshot {name} belongs to host {host}, not to the host of the key given")
        return self.manifest(host, name)

    def find_latest(self, source):
        # A damaged manifest stops this: without it nobody can tell which snapshot is the latest.
        found = [self.manifest(host, name) for host in self.hosts() for name in self.manifest_names(host)]
        found = [manifest for manifest in found if manifest.source == source]
        if not found:
            raise Refused(f"no snapshot of source {source}")
        if len({manifest.host for manifest in found}) > 1:
            raise Refused(f"several hosts have a source {source}; give --host-key or a snapshot id")
        found.sort(key=lambda manifest: manifest.sequence)
        if len(found) > 1 and found[-1].sequence == found[-2].sequence:
            raise Refused(f"two snapshots of source {source} have sequence {found[-1].sequence}; give a snapshot id")
        return found[-1]

    def pack_list(self, manifest):
        """Yields the id of every pack the snapshot needs."""
        fields, seen = manifest.pack_list, 0
        expected = fields.number(1)
        for pack_id in self._pack_ids(manifest, fields.ids(2, b""), tree_depth(fields.number(0, 0), "the pack list")):
            seen += 1
            if seen > expected:
                break
            yield pack_id
        if seen != expected:
            raise Refused(f"the pack list does not hold the {expected} packs it says")

    def _pack_ids(self, manifest, ids, depth):
        if depth == 0:
            yield from ids
            return
        for name in ids:
            what = f"list segment {name}"
            stored = read_object(self.place("hosts", manifest.host, "lists", name), name, MAX_LIST, what)
            if stored[:8] != b"VOWLIST1":
                raise Refused(f"{what} is not a list segment")
            fields = decode(stored[8:], what)
            if fields.number(0, 0) != depth - 1:
                raise Refused(f"{what} is not of depth {depth - 1}")
            yield from self._pack_ids(manifest, fields.ids(1), depth - 1)

    def check_index_segment(self, manifest, name):
        """Index segments open with the host's secret only; this checks what can be checked without. False: absent."""
        what = f"index segment {name}"
        try:
            stored = read_object(self.place("hosts", manifest.host, "index", name), name, MAX_INDEX, what)
        except Missing:
            return False
        if stored[:8] != b"VOWINDX2" or stored[8:9] not in (b"\1", b"\2") or len(stored) < 58:
            raise Refused(f"{what} is not an index segment")
        return True


# ---- a snapshot: the listing and the contents (section 5) --------------------------------------------------------------


class Reference(NamedTuple):
    pack: str
    record: int
    offset: int
    stored: int
    length: int
    id: bytes
    start: int
    whole: int

    @property
    def is_part(self):
        return (self.start, self.length) != (0, self.whole)

    @property
    def place(self):
        return self.pack, self.record, self.offset, self.stored, self.whole


class Table:
    """A reference table: keys 0 and 1 of a leaf, node or chunk list."""

    def __init__(self, fields):
        self.what = fields.what
        self.packs = fields.ids(0, b"")
        self.chunks = fields.array(1, [])
        self.records = {}  # what the rows used so far say about each record

    def __len__(self):
        return len(self.chunks)

    def __getitem__(self, position):
        row = self.chunks[position]
        if not (type(row) is list and len(row) in (6, 8)):
            raise Refused(f"{self.what} holds a malformed chunk reference")
        if not (all(map(is_number, row[:5])) and is_bytes(row[5], 32) and all(map(is_number, row[6:]))):
            raise Refused(f"{self.what} holds a malformed chunk reference")
        if row[0] >= len(self.packs):
            raise Refused(f"{self.what} refers to a pack it does not name")
        start, whole = row[6:] or (0, row[4])
        reference = Reference(self.packs[row[0]], *row[1:6], start, whole)
        if start + reference.length > whole or (reference.is_part and whole > MAX_GROUP):
            raise Refused(f"{self.what} refers to a chunk beyond its record")
        if self.records.setdefault(reference.place[:2], reference.place) != reference.place:
            raise Refused(f"{self.what} says different things about record {reference.record} of a pack")
        return reference


@dataclass(slots=True)
class Entry:
    path: bytes
    kind: int
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int
    content: list | None
    target: bytes | None
    device: tuple | None
    xattrs: list
    group: tuple | None
    extents: list | None  # (offset, length) of each; None when the file is not sparse

    @property
    def content_size(self):
        return self.size if self.extents is None else sum(length for _, length in self.extents)


class Snapshot:
    def __init__(self, vault, manifest, identities):
        self.vault, self.manifest = vault, manifest
        self.packs = Packs(vault.place("hosts", manifest.host, "packs"), identities)
        self.bundles, self.groups = Recent(4), Recent(4)
        row = manifest.root
        if not (len(row) == 5 and is_bytes(row[0], 32) and all(map(is_number, row[1:]))):
            raise Refused(f"manifest {manifest.id} has a malformed root reference")
        # The root's id cannot be checked before its id secret is known. Its pack is the one the signed manifest names, bit
        # for bit (Packs checks that), so that it is as good as signed; and its id must then be the one in the trailer.
        self.root_reference = reference = Reference(row[0].hex(), *row[1:], None, 0, row[4])
        pack = self.packs.get(reference.pack)
        content = pack.record(reference.record, ROOT, reference.offset, reference.stored, reference.length)
        root = decode(content, "the root record")
        root.version(0)
        self.ids = ChunkIds(root.bytes(1, size=32))
        rows, _ = pack.trailer()
        if reference.record >= len(rows) or rows[reference.record][3] != self.ids.of(ROOT, content):
            raise Refused("the id of the root record is wrong")
        if root.bytes(2, size=32) != manifest.host_key:
            raise Refused("the root record is of another host than its manifest")
        self.top = root.map(7)
        self.problems = len(root.array(8, []))

    def read(self, reference, kind):
        """The content of a chunk. Groups are kept a while: the next chunks of a file are likely to be in the same."""
        what = f"record {reference.record} of pack {reference.pack}"
        if not reference.is_part:
            content = self._record(reference, kind)
        elif kind != DATA:
            raise Refused(f"{what} is referred to as a group, but is not data")
        else:
            if reference.place not in self.groups:
                self.groups[reference.place] = self._record(reference, kind)
            content = self.groups[reference.place][reference.start : reference.start + reference.length]
        if self.ids.of(kind, content) != reference.id:
            raise Refused(f"{what} does not have the id it is known by")
        return content

    def _record(self, reference, kind):
        return self.packs.get(reference.pack).record(
            reference.record, kind, reference.offset, reference.stored, reference.whole
        )

    def entries(self):
        """Yields each (entry, reference table of its leaf), in order."""
        last, last_kind = None, DIRECTORY
        for entry, table in self._below(self.top, None, None):
            path = entry.path
            if last is not None and sort_key(path) <= sort_key(last):
                raise Refused(f"path {show(path)} is out of order")
            if last_kind != DIRECTORY and is_below(path, last):
                raise Refused(f"path {show(path)} is below something that is not a directory")
            if not path and entry.kind != DIRECTORY:
                raise Refused("the root of the listing is not a directory")
            last, last_kind = path, entry.kind
            yield entry, table

    def _below(self, node, depth, first):
        stated = tree_depth(node.number(3), node.what)
        if stated < 1 or (depth is not None and stated != depth):
            raise Refused(f"{node.what} has the wrong depth")
        table, paths = Table(node), node.array(2, [])
        if len(paths) != len(table) or not all(map(is_bytes, paths)):
            raise Refused(f"{node.what} has malformed first paths")
        if depth is not None and (not paths or paths[0] != first):
            raise Refused(f"{node.what} does not start with the path it is known by")
        for position, path in enumerate(paths):
            reference = table[position]
            what = f"record {reference.record} of pack {reference.pack}"
            if stated > 1:
                yield from self._below(decode(self.read(reference, NODE), what), stated - 1, path)
            else:
                yield from leaf_entries(decode(self.read(reference, LEAF), what), path)

    def content(self, entry, table):
        """Yields the bytes of a file (of its extents, when it is sparse) in pieces; refuses when they do not add up."""
        left, name = entry.content_size, show(entry.path)
        if entry.kind != FILE:
            return
        if entry.content is None:
            if left:
                raise Refused(f"the content of {name} is missing")
            return
        if entry.content[:1] == [0]:
            yield self._slice(entry, table, left)
            return
        for reference in self._file_chunks(entry, table):
            if not 0 < reference.length <= left:
                raise Refused(f"the content of {name} does not add up")
            left -= reference.length
            yield self.read(reference, DATA)
        if left:
            raise Refused(f"the content of {name} does not add up")

    def _slice(self, entry, table, size):
        name = show(entry.path)
        if not (len(entry.content) == 4 and all(map(is_number, entry.content[:3])) and is_bytes(entry.content[3], 16)):
            raise Refused(f"the content of {name} is malformed")
        _, chunk, offset, digest = entry.content
        if chunk >= len(table):
            raise Refused(f"the content of {name} refers to a chunk its leaf does not name")
        reference = table[chunk]
        if offset + size > reference.length:
            raise Refused(f"the content of {name} lies outside its bundle")
        if reference not in self.bundles:
            self.bundles[reference] = self.read(reference, DATA)
        piece = self.bundles[reference][offset : offset + size]
        if self.ids.of(DATA, piece)[:16] != digest:
            raise Refused(f"the content of {name} does not have its digest")
        return piece

    def _file_chunks(self, entry, table):
        kind, runs = entry.content[0] if entry.content else None, entry.content[1:]
        if kind not in (1, 2) or len(runs) % 2 or not all(map(is_number, runs)):
            raise Refused(f"the content of {show(entry.path)} is malformed")
        for first, count in zip(runs[::2], runs[1::2]):
            if first + count > len(table):
                raise Refused(f"the content of {show(entry.path)} refers to chunks its leaf does not name")
            for position in range(first, first + count):
                if kind == 1:
                    yield table[position]
                    continue
                reference = table[position]
                what = f"record {reference.record} of pack {reference.pack}"
                part = Table(decode(self.read(reference, CHUNK_LIST), what))
                if not len(part):
                    raise Refused(f"{what} is an empty chunk list")
                for inner in range(len(part)):
                    yield part[inner]


def leaf_entries(leaf, first):
    table, path = Table(leaf), None
    for item in leaf.array(2):
        entry = parse_entry(item, path)
        if path is None and entry.path != first:
            raise Refused(f"{leaf.what} does not start with the path it is known by")
        path = entry.path
        yield entry, table
    if path is None:
        raise Refused(f"{leaf.what} is an empty leaf")


def parse_entry(item, previous):
    fields = Fields(item, "an entry")
    shared = fields.number(0, 0)
    if shared > len(previous or b""):
        raise Refused("an entry shares more of a path than there is")
    path = (previous or b"")[:shared] + fields.bytes(1, b"")
    if b"\0" in path or (path and any(part in (b"", b".", b"..") for part in path.split(b"/"))):
        raise Refused(f"path {show(path)} is malformed")
    fields.what = f"the entry of {show(path)}"
    nanoseconds = fields.number(7, 0, limit=999_999_999)
    entry = Entry(
        path=path,
        kind=fields.number(2, 0, limit=FIFO),
        mode=fields.number(3, 0, limit=0o7777),
        uid=fields.number(4, 0, limit=(1 << 32) - 1),
        gid=fields.number(5, 0, limit=(1 << 32) - 1),
        mtime_ns=fields.signed(6) * 1_000_000_000 + nanoseconds,
        size=fields.number(8, 0),
        content=fields.array(9, None),
        target=fields.bytes(10, None),
        device=fields.pair(11),
        xattrs=fields.array(12, []),
        group=fields.pair(13),
        extents=extents(fields),
    )
    if entry.kind == SYMLINK and (not entry.target or b"\0" in entry.target):
        fields.refuse(10)
    if entry.kind in (CHARACTER_DEVICE, BLOCK_DEVICE) and (not entry.device or max(entry.device) >= 1 << 32):
        fields.refuse(11)
    for pair in entry.xattrs:
        if not (type(pair) is list and len(pair) == 2 and all(map(is_bytes, pair)) and pair[0] and b"\0" not in pair[0]):
            fields.refuse(12)
    if entry.group and entry.kind == DIRECTORY:
        fields.refuse(13)
    return entry


def extents(fields):
    flat, end = fields.array(14, None), 0
    if flat is None:
        return None
    if len(flat) % 2 or not all(map(is_number, flat)):
        fields.refuse(14)
    pairs = list(zip(flat[::2], flat[1::2]))
    for offset, length in pairs:
        if offset < end or not length:
            fields.refuse(14)
        end = offset + length
    if end > fields.number(8, 0):
        fields.refuse(14)
    return pairs


class ChunkIds:
    """Chunk ids of one id secret (section 2)."""

    def __init__(self, secret):
        context = "vow v1 chunk id"
        self.keys = {
            kind: blake3(secret + bytes([kind]), derive_key_context=context).digest() for kind in range(DATA, ROOT + 1)
        }

    def of(self, kind, content):
        return blake3(content, key=self.keys[kind]).digest()


# ---- packs (section 3) -------------------------------------------------------------------------------------------------


class Packs:
    """The packs of one host. A few stay open; each is hashed once, and each distinct key blob is unwrapped once."""

    def __init__(self, place, identities):
        self.place, self.identities = place, identities
        self.open, self.session_keys = Recent(16, lambda pack: pack.close()), Recent(4096)
        self.proven = set()
        self.allowed = None  # the pack list, once it is known

    def get(self, pack_id):
        if pack_id not in self.open:
            if self.allowed is not None and pack_id not in self.allowed:
                raise Refused(f"pack {pack_id} is in use, but not in the pack list")
            path = os.path.join(self.place, pack_id[:2], pack_id)
            self.open[pack_id] = Pack(pack_id, open_regular(path, f"pack {pack_id}"), self)
        return self.open[pack_id]

    def session_key(self, blob, what):
        name = hashlib.sha256(blob).digest()
        if name not in self.session_keys:
            if not blob.startswith(b"age-encryption.org/v1\n"):
                raise Refused(f"the key blob of {what} is not a binary age file")
            try:
                key = pyrage.decrypt(blob, self.identities)
            except pyrage.DecryptError as error:
                raise Refused(f"the identity does not open {what}: {error}")
            if len(key) != 32:
                raise Refused(f"the session key of {what} is not 32 bytes long")
            self.session_keys[name] = key
        return self.session_keys[name]


class Pack:
    def __init__(self, pack_id, fd, packs):
        self.id, self.what, self.fd = pack_id, f"pack {pack_id}", fd
        try:
            self._open(packs)
        except BaseException:
            self.close()
            raise

    def _open(self, packs):
        self.size = os.fstat(self.fd).st_size
        if self.size > MAX_PACK:
            raise Refused(f"{self.what} is too long")
        if self.id not in packs.proven:
            digest = hashlib.sha256()
            for offset in range(0, self.size, MIB):
                digest.update(self.read(offset, min(MIB, self.size - offset)))
            if digest.hexdigest() != self.id:
                raise Refused(f"{self.what} is damaged: its bytes do not hash to its name")
            packs.proven.add(self.id)
        fixed = self.read(0, 76)
        suite, blob_length = fixed[8], int.from_bytes(fixed[10:12], "little")
        if fixed[:8] != b"VOWPACK1" or suite not in (1, 2) or fixed[9] or blob_length > MAX_KEY_BLOB:
            raise Refused(f"{self.what} has a malformed header")
        salt, commitment, blob = fixed[12:44], fixed[44:76], self.read(76, blob_length)
        self.body = 76 + blob_length
        self.header_hash = hashlib.sha256(fixed + blob).digest()
        session_key = packs.session_key(blob, self.what)
        keys = HKDF(SHA256(), 64, salt, b"vow v1 pack" + bytes([suite])).derive(session_key)
        if keys[32:] != commitment:
            raise Refused(f"{self.what} has another key commitment than its key")
        self.cipher = (AESGCM if suite == 1 else ChaCha20Poly1305)(keys[:32])

    def close(self):
        os.close(self.fd)

    def read(self, offset, length):
        if offset + length > self.size:
            raise Refused(f"{self.what} is too short")
        parts = []
        while length:
            part = os.pread(self.fd, length, offset)
            if not part:
                raise Refused(f"{self.what} is too short")
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return b"".join(parts)

    def record(self, number, kind, offset, stored, length):
        what = f"record {number} of {self.what}"
        if number >= MAX_RECORDS + 2 or length > MAX_CONTENT or stored < 17 or offset < self.body:
            raise Refused(f"{what} has numbers beyond the limits")
        if offset + stored > self.size - 32:
            raise Refused(f"{what} lies outside of its pack")
        plain = self._decrypt(number, kind, self.read(offset, stored), 0)
        codec, payload = plain[0], memoryview(plain)[1:]
        if codec == 1 and kind < PADDING:
            return decompress(payload, length, what)
        if codec != 0 or len(payload) != length:
            raise Refused(f"{what} has the wrong codec or length")
        return bytes(payload)

    def _decrypt(self, number, kind, sealed, last):
        nonce = bytes(7) + number.to_bytes(4, "big") + bytes([last])
        try:
            return self.cipher.decrypt(nonce, sealed, self.header_hash + number.to_bytes(4, "little") + bytes([kind]))
        except InvalidTag:
            raise Refused(f"record {number} of {self.what}, type {kind}, does not pass its tag")

    def trailer(self):
        """The trailer's rows, and its offset."""
        if self.size < self.body + 32:
            raise Refused(f"{self.what} is too short")
        tail = self._decrypt(0xFFFFFFFF, TAIL, self.read(self.size - 32, 32), 1)
        offset, stored, count = (int.from_bytes(tail[a:b], "little") for a, b in ((0, 8), (8, 12), (12, 16)))
        if count > MAX_RECORDS or offset + stored + 32 != self.size:
            raise Refused(f"the tail of {self.what} is wrong")
        fields = decode(self.record(count + 1, TRAILER, offset, stored, stored - 17), f"the trailer of {self.what}")
        rows = fields.array(0)
        for row in rows:
            if not (type(row) is list and len(row) == 4 and all(map(is_number, row[:3]))):
                fields.refuse(0)
            if not is_bytes(row[3], 32) and not is_group(*row):
                fields.refuse(0)
        if len(rows) != count:
            raise Refused(f"the trailer of {self.what} does not list its {count} records")
        return rows, offset

    def check_everything(self, ids):
        """Opens every record and compares it with the trailer; the number of records, and of groups among them."""
        rows, end = self.trailer()
        offset = self.body
        for number, (kind, stored, length, held) in enumerate(rows):
            if not DATA <= kind <= ROOT or offset + stored > end:
                raise Refused(f"the trailer of {self.what} is wrong about record {number}")
            content, at = memoryview(self.record(number, kind, offset, stored, length)), 0
            for part, chunk_id in [[length, held]] if type(held) is bytes else held:
                if ids.of(kind, content[at : at + part]) != chunk_id:
                    raise Refused(f"record {number} of {self.what} does not have its id")
                at += part
            offset += stored
        padding = end - offset
        if padding and any(self.record(len(rows), PADDING, offset, padding, padding - 17)):
            raise Refused(f"the padding of {self.what} is not zero")
        bare = self.size - padding
        if self.size % (1 << max(12, bare.bit_length() - 7)):
            raise Refused(f"{self.what} is not padded to its step")
        return len(rows), sum(type(row[3]) is list for row in rows)


def is_group(kind, _, length, chunks):
    """Whether the last element of a trailer's row is a list of the chunks in the record."""
    if not (type(chunks) is list and 2 <= len(chunks) <= MAX_GROUP_CHUNKS and kind == DATA and length <= MAX_GROUP):
        return False
    for chunk in chunks:
        if not (type(chunk) is list and len(chunk) == 2 and is_number(chunk[0]) and chunk[0] and is_bytes(chunk[1], 32)):
            return False
    return sum(part for part, _ in chunks) == length


def decompress(payload, length, what):
    try:
        frame = zstandard.get_frame_parameters(payload)
        if payload[:4] != b"\x28\xb5\x2f\xfd" or frame.content_size not in (length, zstandard.CONTENTSIZE_UNKNOWN):
            raise Refused(f"{what} has the wrong length")
        content = zstandard.ZstdDecompressor().decompress(
            payload, max_output_size=max(length, 1), read_across_frames=False, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise Refused(f"{what} does not decompress: {error}")
    if len(content) != length:
        raise Refused(f"{what} has the wrong length")
    return content


# ---- the target of a restore -------------------------------------------------------------------------------------------


class Target:
    """Creates entries below a directory. Every step is taken relative to an open directory and follows no link, and nothing
    but directories may exist already; so nothing outside of the target can be reached or replaced."""

    FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

    def __init__(self, path):
        os.makedirs(path, exist_ok=True)
        os.umask(0)
        self.root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.here, self.here_parts = os.dup(self.root), []
        self.is_root = os.geteuid() == 0
        self.groups = {}  # link group and kind: path of the first
        self.incomplete = False

    def create(self, entry, pieces):
        if not entry.path:
            return
        *parts, name = entry.path.split(b"/")
        folder = self._enter(parts)
        try:
            if entry.kind == DIRECTORY:
                self._make_directory(name, folder)
            elif entry.group and (first := self.groups.get((entry.group, entry.kind))):
                self._link(first, name, folder)
            elif self._make(entry, name, folder, pieces) and entry.group:
                self.groups[entry.group, entry.kind] = entry.path
        except FileExistsError:
            raise Refused(f"{show(entry.path)} exists in the target already")
        except OSError as error:
            raise Refused(f"{show(entry.path)} cannot be restored: {error.strerror}")

    def finish_directory(self, entry):
        folder = self._enter(entry.path.split(b"/") if entry.path else [])
        self._set_metadata(entry, folder, None)

    def _enter(self, parts):
        if parts != self.here_parts:
            known = len(self.here_parts)
            if parts[:known] == self.here_parts:
                fd = self._walk(self.here, parts[known:])
            else:
                fd = self._walk(self.root, parts)
            os.close(self.here)
            self.here, self.here_parts = fd, parts
        return self.here

    def _walk(self, start, parts):
        fd = os.dup(start)
        try:
            for name in parts:
                try:
                    inner = os.open(name, self.FOLDER, dir_fd=fd)
                except FileNotFoundError:  # a parent that is not in the listing
                    os.mkdir(name, 0o755, dir_fd=fd)
                    inner = os.open(name, self.FOLDER, dir_fd=fd)
                os.close(fd)
                fd = inner
            return fd
        except OSError as error:
            os.close(fd)
            raise Refused(f"directory {show(b'/'.join(parts))} of the target cannot be entered: {error.strerror}")

    def _make_directory(self, name, folder):
        try:
            os.mkdir(name, 0o700, dir_fd=folder)
        except FileExistsError:
            os.close(os.open(name, self.FOLDER, dir_fd=folder))

    def _link(self, first, name, folder):
        *parts, first_name = first.split(b"/")
        source = self._walk(self.root, parts)
        try:
            os.link(first_name, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
        finally:
            os.close(source)

    def _make(self, entry, name, folder, pieces):
        if entry.kind == FILE:
            self._make_file(entry, name, folder, pieces)
            return True
        if entry.kind == SYMLINK:
            os.symlink(entry.target, name, dir_fd=folder)
        elif entry.kind == FIFO:
            os.mkfifo(name, entry.mode, dir_fd=folder)
        else:
            kind = stat.S_IFCHR if entry.kind == CHARACTER_DEVICE else stat.S_IFBLK
            try:
                os.mknod(name, kind | entry.mode, os.makedev(*entry.device), dir_fd=folder)
            except (PermissionError, OverflowError) as error:
                self._complain(entry, "device", error)
                return False
        self._set_metadata(entry, folder, name)
        return True

    def _make_file(self, entry, name, folder, pieces):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, 0o600, dir_fd=folder)
        try:
            os.ftruncate(fd, entry.size)  # what is not written below stays a hole
            spots = iter(((0, entry.size),) if entry.extents is None else entry.extents)
            offset = left = 0
            for piece in pieces:
                piece = memoryview(piece)
                while piece:
                    if not left:
                        offset, left = next(spots)
                    written = os.pwrite(fd, piece[:left], offset)
                    piece, offset, left = piece[written:], offset + written, left - written
            self._set_metadata(entry, fd, None)
        except BaseException:
            os.unlink(name, dir_fd=folder)  # half a file must not pass for a whole one
            raise
        finally:
            os.close(fd)

    def _set_metadata(self, entry, fd, name):
        """Of the open file fd itself, or of `name` (not a file or directory) in the open directory fd."""
        at = {} if name is None else {"dir_fd": fd, "follow_symlinks": False}
        subject = fd if name is None else name
        # Owner first: changing it drops capabilities and set-id bits. The time last.
        if self.is_root:
            self._try(entry, "owner", os.chown, subject, entry.uid, entry.gid, **at)
        for attribute, value in entry.xattrs:
            what = f"extended attribute {show(attribute)}"
            if name is None:
                self._try(entry, what, os.setxattr, fd, attribute, value)
            else:
                place = b"/proc/self/fd/%d/%s" % (fd, name)
                self._try(entry, what, os.setxattr, place, attribute, value, follow_symlinks=False)
        if name is None:
            self._try(entry, "mode", os.fchmod, fd, self._safe_mode(entry, fd))
        self._try(entry, "time", os.utime, subject, ns=(entry.mtime_ns, entry.mtime_ns), **at)

    @staticmethod
    def _safe_mode(entry, fd):
        """Without the set-id bits, when they would speak for another owner than in the archive."""
        status, mode = os.fstat(fd), entry.mode
        if status.st_uid != entry.uid:
            mode &= ~stat.S_ISUID
        if status.st_gid != entry.gid:
            mode &= ~stat.S_ISGID
        return mode

    def _try(self, entry, what, call, *args, **kwargs):
        try:
            call(*args, **kwargs)
        except (OSError, OverflowError, ValueError) as error:
            self._complain(entry, what, error)

    def _complain(self, entry, what, error):
        say(f"vow_reader: {show(entry.path)}: {what} not restored: {getattr(error, 'strerror', None) or error}")
        self.incomplete = True


# ---- CBOR with checked fields ------------------------------------------------------------------------------------------

NEEDED = object()


class Fields:
    """A CBOR map with integer keys, read field by field; what is not of the type expected is refused."""

    def __init__(self, value, what):
        self.map_, self.what = value, what
        if type(value) is not dict:
            raise Refused(f"{what} is not a map")

    def refuse(self, key):
        raise Refused(f"{self.what} has a missing or malformed field {key}")

    def _get(self, key, default, good):
        value = self.map_.get(key, NEEDED)
        if value is NEEDED:
            if default is NEEDED:
                self.refuse(key)
            return default
        if not good(value):
            self.refuse(key)
        return value

    def number(self, key, default=NEEDED, limit=MAX_NUMBER):
        return self._get(key, default, lambda value: is_number(value) and value <= limit)

    def signed(self, key):
        return self._get(key, 0, lambda value: type(value) is int and abs(value) <= MAX_NUMBER)

    def bytes(self, key, default=NEEDED, size=None):
        return self._get(key, default, lambda value: is_bytes(value, size))

    def text(self, key):
        return self._get(key, NEEDED, lambda value: type(value) is str)

    def array(self, key, default=NEEDED):
        return self._get(key, default, lambda value: type(value) is list)

    def pair(self, key):
        good = self._get(key, None, lambda v: type(v) is list and len(v) == 2 and all(map(is_number, v)))
        return good and tuple(good)

    def map(self, key):
        return Fields(self._get(key, NEEDED, lambda value: True), f"field {key} of {self.what}")

    def ids(self, key, default=NEEDED):
        joined = self._get(key, default, lambda value: is_bytes(value) and len(value) % 32 == 0)
        return [joined[at : at + 32].hex() for at in range(0, len(joined), 32)]

    def version(self, key):
        if self.number(key) != 1:
            raise Refused(f"{self.what} is of version {self.number(key)}; this reader knows version 1")


def decode(content, what):
    stream = io.BytesIO(content)
    try:
        value = cbor2.CBORDecoder(
            stream,
            tag_hook=refuse_tag,
            semantic_decoders=KNOWN_TAGS,
            max_depth=16,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        ).decode()
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise Refused(f"{what} is not CBOR as it should be: {error}")
    if stream.tell() != len(content):
        raise Refused(f"{what} has bytes after its end")
    return Fields(value, what)


def refuse_tag(*_):
    raise cbor2.CBORDecodeError("tags are not part of the format")


# The tags the library would otherwise act upon.
KNOWN_TAGS = dict.fromkeys(
    (*range(6), 25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 261, 1004, 43000, 55799), refuse_tag
)


def is_number(value):
    return type(value) is int and 0 <= value <= MAX_NUMBER


def is_bytes(value, size=None):
    return type(value) is bytes and (size is None or len(value) == size)


# ---- small things ------------------------------------------------------------------------------------------------------


class Recent(OrderedDict):
    """A dictionary that keeps the few entries used last."""

    def __init__(self, limit, drop=lambda value: None):
        super().__init__()
        self.limit, self.drop = limit, drop

    def __getitem__(self, key):
        self.move_to_end(key)
        return super().__getitem__(key)

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        while len(self) > self.limit:
            oldest = next(iter(self))
            self.drop(super().__getitem__(oldest))
            del self[oldest]


def sort_key(path):
    """`/` sorts before every other byte; NUL occurs in no path."""
    return path.replace(b"/", b"\0")


def is_below(path, directory):
    return path.startswith(directory + b"/") if directory else bool(path)


def tree_depth(depth, what):
    if depth > MAX_TREE_DEPTH:
        raise Refused(f"{what} is too deep")
    return depth


def ids_in(directory):
    """Names in a directory that are ids, in order; none when there is no such directory."""
    try:
        return sorted(name for name in os.listdir(directory) if re.fullmatch("[0-9a-f]{64}", name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def unhex(text, what):
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise Refused(f"{what} is not 64 hexadecimal digits")
    return bytes.fromhex(text)


def open_regular(path, what):
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise Missing(f"{what} is missing")
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Refused(f"{what} is not a regular file")
    return fd


def read_file(path, limit, what):
    with os.fdopen(open_regular(path, what), "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise Refused(f"{what} is too long")
    return content


def read_object(path, name, limit, what):
    content = read_file(path, limit, what)
    if hashlib.sha256(content).hexdigest() != name:
        raise Refused(f"{what} is damaged: its bytes do not hash to its name")
    return content


def show(raw):
    """Bytes of unknown origin, fit for one line on a screen."""
    return printable(raw.decode("utf-8", "backslashreplace")) or "(the root)"


def printable(text):
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def say(message):
    print(printable(message), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
