"""``portal`` whose hub does not conflate: every place is sent at once. It shows what conflation is worth."""

from portal.cli import main
from portal.live_hub import Hub
from portal.live_rooms import Room


def tell_at_once(_hub: Hub, room: Room) -> None:
    """Tell everybody in the room now."""
    room.tell_place()


if __name__ == "__main__":
    Hub._tell_place_soon = tell_at_once  # type: ignore[method-assign, assignment]
    raise SystemExit(main())
