"""What can go wrong in the command line, as a tree.

RegularsError
├── PortTaken            a port that is needed is in use
├── AlreadyRunning       the data folder has a live supervisor
├── NotRunning           the data folder has none
├── StartFailed          a process ended or did not become ready in time
└── BrokerUnavailable    no broker can be run on this machine
"""


class RegularsError(Exception):
    """An error whose message is written for the person at the terminal."""


class PortTaken(RegularsError):
    def __init__(self, port: int, purpose: str) -> None:
        super().__init__(f"port {port} ({purpose}) is in use; choose another block with --port-base")
        self.port = port
        self.purpose = purpose


class AlreadyRunning(RegularsError):
    pass


class NotRunning(RegularsError):
    pass


class StartFailed(RegularsError):
    pass


class BrokerUnavailable(RegularsError):
    pass
