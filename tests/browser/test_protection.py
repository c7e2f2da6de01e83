"""What the server answers to those who should not ask."""

from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.browser.conftest import Server


@pytest.mark.parametrize(
    "path, host, status",
    [
        ("/", "", 200),
        ("/", "evil.example", 400),
        ("/_stcore/health", "evil.example", 400),
        ("/_stcore/metrics", "", 404),
        ("/_stcore/metrics/", "", 404),
    ],
)
def test_hosts_and_paths(empty: Server, path: str, host: str, status: int) -> None:
    request = Request(f"{empty.url}{path}", headers={"Host": host} if host else {})
    try:
        with urlopen(request, timeout=30) as answer:
            found = answer.status
    except HTTPError as error:
        found = error.code
    assert found == status
