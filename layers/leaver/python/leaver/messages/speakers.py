"""Who speaks on our bus, by an event's source; AWS keeps `aws.*` for itself."""

COMMANDS = "leaver.command"
HR_EVENTS = "leaver.hr"
ANNOUNCEMENTS = "leaver"
#: the source of what a person asks for, straight to the queue: no event of a bus may call itself so
OPERATOR = "operator"
#: the one key of what `leaver door test` posts, with an id behind it: from any source, nothing follows
DOOR_TEST = "leaver_test"
