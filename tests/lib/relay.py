# SPDX-License-Identifier: BSD-3-Clause
"""A relay between a vfio-user client and the model that does something at the n-th request."""

import array
import os
import socket
import struct
import threading

HEADER = struct.Struct("<HHIII")  # message id, command, size with header, flags, error


class Relay:
    """Listens at PATH, passes whole messages and their descriptors on to the model at TARGET.

    @at: number of the client's request (from 0) before which `action` is called; None counts only.
    """

    def __init__(self, path, target, at=None, action=None):
        self.path, self.target, self.at, self.action = path, target, at, action
        self.requests = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.close()
        self.thread.join(10)
        os.unlink(self.path)

    def _serve(self):
        client, _ = self.listener.accept()
        model = socket.socket(socket.AF_UNIX)
        model.connect(self.target)
        back = threading.Thread(target=self._pump, args=(model, client, False), daemon=True)
        back.start()
        self._pump(client, model, True)
        back.join(10)

    def _pump(self, source, sink, requests):
        try:
            while True:
                message, fds = receive(source)
                if message is None:
                    break
                if requests:
                    if self.requests == self.at:
                        self.action()
                    self.requests += 1
                send(sink, message, fds)
        except OSError:
            pass  # one end is gone: so is the other, below
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def receive(sock):
    """One message and its descriptors; None at the end."""
    message, fds = b"", array.array("i")
    want = HEADER.size
    while len(message) < want:
        part, ancillary, _, _ = sock.recvmsg(want - len(message), socket.CMSG_SPACE(16 * 4))
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(content[:len(content) - len(content) % 4])
        if not part:
            return None, fds
        message += part
        if len(message) == HEADER.size:
            want = max(want, HEADER.unpack(message)[2])
    return message, fds


def send(sock, message, fds):
    """Passes a message on and drops our copies of its descriptors."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds else []
    sent = sock.sendmsg([message], rights)
    sock.sendall(message[sent:])
    for fd in fds:
        os.close(fd)
