import os
import signal
import threading

import pytest

from ctm.training.devices import launch
from ctm.training.interruption import Interruption
from training.experiments import parity


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_is_noted_and_handlers_are_given_back(number):
    before = signal.getsignal(number)
    with Interruption() as interruption:
        os.kill(os.getpid(), number)
        assert interruption.signal == number
        assert interruption.reduced_signal(launch(parity().training), reduce=False) == number
    assert signal.getsignal(number) is before


def test_a_second_interrupt_stops_at_once():
    with Interruption():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_outside_the_main_thread_nothing_is_noted():
    recorded = []
    thread = threading.Thread(target=lambda: recorded.append(Interruption().__enter__().signal))
    thread.start()
    thread.join()
    assert recorded == [None]
