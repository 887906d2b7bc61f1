"""Ctrl-C where Python would not hear it, and an end that does not depend on where it fell."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Timer, current_thread, main_thread
from typing import Any, NoReturn

INTERRUPTED = 130  # exit code, as of programs that a signal ends
_SECONDS_UNTIL_AGAIN = 0.05


@contextmanager
def interruptions_heard() -> Iterator[None]:
    """Inside, an interruption that falls into a callback of the compiler is raised again.

    While LLVM works, Python sees a Ctrl-C first in the functions that LLVM calls. No exception
    goes through C, so Python would print it and go on as if nothing had been pressed. What is then
    cleared away half made may complain; whoever interrupts need not read that.
    """
    if current_thread() is not main_thread():
        yield
        return
    handler, hook, waiting = signal.getsignal(signal.SIGINT), sys.unraisablehook, []
    pressed = False

    def press(number: int, frame: Any) -> None:
        nonlocal pressed
        pressed = True
        raise KeyboardInterrupt

    def hear(unraisable: Any) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            again = Timer(_SECONDS_UNTIL_AGAIN, _interrupt)
            again.daemon = True
            waiting.append(again)
            again.start()
        elif not pressed:
            hook(unraisable)

    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, press)
    sys.unraisablehook = hear
    try:
        yield
    finally:
        for again in waiting:
            again.cancel()
        sys.unraisablehook = hook
        if handler is signal.default_int_handler:
            signal.signal(signal.SIGINT, handler)


def _interrupt() -> None:
    main = main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGINT)  # ends a wait as well
    else:
        signal.raise_signal(signal.SIGINT)


def end_at_once(code: int) -> NoReturn:
    """End the program without taking it apart.

    What the compiler had half made when it was interrupted may crash when it is taken apart, and
    threads that are still at work would be waited for. What was to be done at the end is done.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is ending: another Ctrl-C is of no use
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
