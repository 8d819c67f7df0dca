"""Wake-ups: short jobs by name after a commit. RQ is the wake-up, never the memory; a lost one costs a sweep's wait."""

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue

from messaging.kinds import Channel

log = structlog.get_logger()

SMS, MAIL, REST = "sms", "mail", "rest"
QUEUES = (SMS, MAIL, REST)
QUEUE_OF = {Channel.SMS: SMS, Channel.EMAIL: MAIL}
SENDERS = {Channel.SMS: "worker.send_sms", Channel.EMAIL: "worker.send_mail"}

# A wake-up that waited longer than this has been overtaken by a sweep (DESIGN 5: every 5 s).
TTL_S = 60
# While one wake-up waits to start, more of the same are no use. A lost one is forgotten after this long (our choice).
COALESCE_S = 5
JOB_TIMEOUT_S = 120


class Wakeups:
    """Enqueues jobs by name. A Redis that is away is logged and costs only speed."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def reconcile(self) -> None:
        """Let the plan of notifications be made anew for what is dirty."""
        self.enqueue(REST, "worker.reconcile")

    def send(self, channel: Channel) -> None:
        """Let what is due on a channel go out now."""
        self.enqueue(QUEUE_OF[channel], SENDERS[channel])

    def read_inbound(self, inbound_id: str) -> None:
        """Let one inbound message be read."""
        self.enqueue(REST, "worker.read_inbound", inbound_id)

    def fetch_pictures(self) -> None:
        """Let pictures that came by MMS be fetched."""
        self.enqueue(REST, "worker.fetch_pictures")

    def settle(self) -> None:
        """Let the outcomes that nobody saw be looked up at the providers."""
        self.enqueue(REST, "worker.settle")

    def catch_up(self) -> None:
        """Let the provider be asked about texts whose receipts never came."""
        self.enqueue(REST, "worker.catch_up")

    def enqueue(self, queue: str, job: str, *arguments: str, ttl_s: float = TTL_S) -> None:
        """Enqueue ``job``, unless the same one already waits. ``started`` is called when it begins."""
        try:
            if self._redis.set(_waiting(job, arguments), b"1", nx=True, ex=COALESCE_S):
                Queue(queue, connection=self._redis).enqueue(
                    job, *arguments, ttl=max(1, round(ttl_s)), result_ttl=0, failure_ttl=3600, job_timeout=JOB_TIMEOUT_S
                )
        except RedisError as error:
            log.warning("wake-up not given", job=job, error=type(error).__name__)

    def started(self, job: str, *arguments: str) -> None:
        """Say that ``job`` begins to look: what is committed from now on needs a wake-up of its own."""
        try:
            self._redis.delete(_waiting(job, arguments))
        except RedisError as error:
            log.warning("wake-up not cleared", job=job, error=type(error).__name__)


def _waiting(job: str, arguments: tuple[str, ...]) -> str:
    return ":".join(("portal:waiting", job, *arguments))
