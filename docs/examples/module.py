#!/usr/bin/env python3
"""A module in forty lines: prints what is announced, and announces a text if there is one.

    module.py HOST:PORT TYPE [TEXT]
"""
import socket
import struct
import sys

ANNOUNCE, NOTIFY, NOTIFICATION, VALIDATION = 500, 501, 502, 503


def send(node, kind, body):
    node.sendall(struct.pack(">HH", 4 + len(body), kind) + body)


def receive(node):
    size, kind = struct.unpack(">HH", exactly(node, 4))
    return kind, exactly(node, size - 4)


def exactly(node, n):
    data = b""
    while len(data) < n:
        more = node.recv(n - len(data))
        if not more:
            sys.exit("the node has closed the connection")
        data += more
    return data


def main(address, data_type, text=None):
    host, _, port = address.rpartition(":")
    node = socket.create_connection((host, int(port)))
    send(node, NOTIFY, struct.pack(">HH", 0, int(data_type)))
    if text is not None:
        send(node, ANNOUNCE, struct.pack(">BBH", 0, 0, int(data_type)) + text.encode())
    while True:
        kind, body = receive(node)
        if kind == NOTIFICATION:
            message_id, data = struct.unpack(">H", body[:2])[0], body[4:]
            print(data.decode(errors="replace"), flush=True)
            send(node, VALIDATION, struct.pack(">HH", message_id, 1))


if len(sys.argv) not in (3, 4):
    sys.exit(__doc__)
main(*sys.argv[1:])
