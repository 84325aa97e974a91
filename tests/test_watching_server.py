"""The page of a run that goes on: who has its address can read it, nobody else, and only read."""

import http.client
import json
import socket
import threading
import urllib.parse

import pytest
from watched import batches, classifier, training, watched

from tinygrad_edu import nn
from tinygrad_edu.watching import server


@pytest.fixture
def run(monkeypatch):
    """A run whose page is open."""
    monkeypatch.setattr("webbrowser.open_new_tab", lambda url: True)
    found = watched(9, every=0.0, share=1.0)
    found.open()
    yield found
    threading.Thread(target=found.page.close).start()


def ask(run, path="/", method="GET", **headers):
    """Status, headers and body of an answer. By default the Host is right, without a cookie."""
    connection = http.client.HTTPConnection("127.0.0.1", run.page.port, timeout=10)
    headers = {"Host": f"127.0.0.1:{run.page.port}", **headers}
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    found = response.status, dict(response.headers), response.read().decode()
    connection.close()
    return found


def test_the_address_gives_a_cookie_and_the_cookie_the_page(run):
    status, headers, body = ask(run, run.page.url.partition(str(run.page.port))[2])
    assert (status, headers["Location"], body) == (303, "/", "")
    cookie, *options = headers["Set-Cookie"].split("; ")
    assert set(options) == {"HttpOnly", "SameSite=Strict", "Path=/"}
    status, headers, body = ask(run, Cookie=cookie)
    assert status == 200 and '"live":true' in body and "connect-src 'self'" in body
    assert headers["Cache-Control"] == "no-store" and headers["X-Frame-Options"] == "DENY"
    assert run.page.token not in body


WRONG = ["/", "/?token=", "/?token=x", "/frames", "/frames?token=x", "/?token=%00", "/?token=é"]


@pytest.mark.parametrize("path", WRONG)
def test_without_the_token_there_is_nothing(run, path):
    path = urllib.parse.quote(path, safe="/?=%")
    assert ask(run, path)[0] == 403
    assert ask(run, path, Cookie=f"watch{run.page.port}=x; watch=")[0] == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "", "0.0.0.0"]
)
def test_another_host_is_refused_even_with_the_token(run, host):
    path, port = run.page.url.partition(str(run.page.port))[2], run.page.port
    assert ask(run, path, Host=host.format(port=port))[0] == 403
    assert ask(run, "/", Host=host.format(port=port), Cookie=run.page.cookie)[0] == 403


@pytest.mark.parametrize("path", ["/../server.py", "/frames/", "/%2e%2e/etc/passwd", "/x?y"])
def test_there_are_no_other_paths(run, path):
    assert ask(run, path, Cookie=run.page.cookie)[0] in (403, 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_there_is_nothing_but_get(run, method):
    assert ask(run, "/", method, Cookie=run.page.cookie)[0] == 501


def stream(run):
    """A reader's connection, whose answer has begun."""
    found = socket.create_connection(("127.0.0.1", run.page.port), timeout=10)
    cookie = f"Host: 127.0.0.1:{run.page.port}\r\nCookie: {run.page.cookie}\r\n"
    found.sendall(f"GET /frames HTTP/1.1\r\n{cookie}\r\n".encode())
    return found


def lines_of(reader):
    with reader.makefile(encoding="utf-8") as file:
        yield from (line for line in file if line.strip())


def test_a_reader_gets_the_newest_frames_and_the_end(run):
    with stream(run) as reader:
        lines = lines_of(reader)
        first = next(line for line in lines if line.startswith("data: "))
        assert json.loads(first[6:])["head"]["step"] == run.frames[-1].step
        run.log(loss=1.0)
        run.finish()
        last = [line for line in lines if not line.startswith(":")]
    assert last[-2:] == ["event: end\n", "data: {}\n"]
    assert '"live":false' in ask(run, Cookie=run.page.cookie)[2]


def test_a_reader_that_never_reads_holds_nobody_up(run):
    model = classifier()
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    step = training(model, optimizer)
    with stream(run), stream(run):
        for batch in batches(60):
            run.log(loss=step(*batch))
            run.before = None
            run.look(None)  # each a frame for the readers
    assert run.steps == 69 and all(box.qsize() <= 1 for box in run.page.readers)


def test_a_thousand_connections_leave_a_bounded_number_of_threads_and_a_page(run):
    before, many = threading.active_count(), []
    for _ in range(1000):
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", run.page.port))
        many.append(connection)
    assert threading.active_count() - before <= server.MOST_CONNECTIONS
    for connection in many:
        connection.close()
    for _ in range(200):
        try:
            status = ask(run, Cookie=run.page.cookie)[0]
            break
        except OSError:  # until all of them are gone
            status = None
    assert status == 200


def test_readers_beyond_the_sixteenth_are_told_to_wait(run):
    readers = [stream(run) for _ in range(server.MOST_READERS)]
    for reader in readers:
        next(lines_of(reader))
    assert ask(run, "/frames", Cookie=run.page.cookie)[0] == 503
    for reader in readers:
        reader.close()


def test_it_listens_on_the_loopback_only(run):
    assert run.page.server.server_address[0] == "127.0.0.1"
