"""Photos over HTTP: one pooled client on a thread of its own, so that one deadline covers everything a server does.

A socket timeout starts anew with every byte; only an event loop can end a request, its redirects and its name lookup
together when the time is up.
"""

import asyncio
import threading
from concurrent.futures import CancelledError
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from consumers.photos.outcome import PhotoError, PhotoLimits
from consumers.photos.packing import unpacked

_HEADERS = {"user-agent": "offermatch photo loader", "accept": "image/*", "accept-encoding": "identity"}
_REFUSED = {401, 402, 403, 407, 451}
_LATER = {408, 425, 429}


class WebClient:
    """Fetches with a shared connection pool; `fetch` may be called from any number of threads."""

    def __init__(self, limits: PhotoLimits) -> None:
        self._limits = limits
        self._client = httpx2.AsyncClient(
            headers=_HEADERS,
            follow_redirects=True,
            max_redirects=limits.max_redirects,
            # Each operation may take as long as the whole: the deadline around it is what counts.
            timeout=httpx2.Timeout(limits.timeout, connect=limits.connect_timeout, pool=None),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=15),
            # Sellers' servers are not to recognise us from one photo to the next.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="photo-web", daemon=True)
        self._thread.start()

    def fetch(self, url: str) -> bytes:
        """The body of an answer with status 200, unpacked. Raises PhotoError (see `Reason`)."""
        work = self._get(url)
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError as error:
            work.close()
            raise PhotoError("cancelled", "the loader is closed") from error
        try:
            return future.result()
        except CancelledError as error:
            raise PhotoError("cancelled", "the loader was closed") from error

    def close(self) -> None:
        """Ends what is under way, the connections and the thread."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _shut_down(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.aclose()

    async def _get(self, url: str) -> bytes:
        try:
            address = httpx2.URL(url)
            if not address.host or not 0 < (address.port or 80) < 65_536:
                raise PhotoError("bad_url", "expected a host, and a port that there can be")
            async with asyncio.timeout(self._limits.timeout), self._client.stream("GET", url) as response:
                self._check_answer(response)
                body = await self._body(response)
                encoding = response.headers.get("content-encoding", "").strip().lower()
                return unpacked(body, encoding, self._limits.max_bytes)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise PhotoError("timeout", f"expected the whole photo within {self._limits.timeout} s") from error
        except httpx2.TooManyRedirects as error:
            raise PhotoError("too_many_redirects", f"expected at most {self._limits.max_redirects}") from error
        except httpx2.UnsupportedProtocol as error:
            raise PhotoError("unsupported_scheme", str(error)) from error
        except (httpx2.InvalidURL, httpx2.LocalProtocolError, UnicodeError, ValueError) as error:
            raise PhotoError("bad_url", str(error)) from error
        except PhotoError:
            raise
        except Exception as error:  # TLS, sockets, protocols; in groups too, where connections were tried at once
            raise PhotoError("network", f"{type(error).__name__}: {error}") from error

    def _check_answer(self, response: httpx2.Response) -> None:
        status = response.status_code
        if status in (404, 410):
            raise PhotoError("not_found", f"HTTP {status}")
        if status in _REFUSED:
            raise PhotoError("refused", f"HTTP {status}")
        if status >= 500 or status in _LATER:
            raise PhotoError("server_error", f"HTTP {status}")
        if status != 200:
            raise PhotoError("http_error", f"HTTP {status}")
        announced = response.headers.get("content-length", "")
        if announced.isdecimal() and len(announced) < 20 and int(announced) > self._limits.max_bytes:
            raise PhotoError("too_large", f"expected at most {self._limits.max_bytes} bytes, {announced} are announced")

    async def _body(self, response: httpx2.Response) -> bytes:
        """As it comes over the wire: httpx2 would unpack a bomb as fast as it can be sent."""
        parts, length = [], 0
        async for part in response.aiter_raw():
            length += len(part)
            if length > self._limits.max_bytes:
                raise PhotoError("too_large", f"expected at most {self._limits.max_bytes} bytes, more came")
            parts.append(part)
        return b"".join(parts)
