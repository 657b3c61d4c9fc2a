"""Knows the words in which an input is refused before anything has been sent, each with its HTTP status.

| status | code                  | what came                                                                       |
|--------|-----------------------|---------------------------------------------------------------------------------|
| 422    | `invalid_input`       | no `RunAgentInput`, or a part of one that no agent can take                     |
| 403    | `forbidden_message`   | a message that a client may not add: instructions, or an answer that nobody gave|
| 409    | `message_id_taken`    | a user message with the id of a message of another role                         |
| 422    | `unknown_message`     | a message to go back to that the thread does not have                           |
| 409    | `unknown_tool_call`   | a tool's result for a call that does not wait for one                           |
| 409    | `unknown_interrupt`   | an answer to a question that is not open                                        |
| 409    | `already_answered`    | an answer to a question that has one                                            |
| 409    | `missing_answers`     | answers to some of the open questions only                                      |
| 422    | `duplicate_answer`    | two answers to one question, or two results of one call                         |
| 422    | `invalid_answer`      | an answer that does not fit its question                                        |
| 422    | `point_with_resume`   | answers together with a point to go back to                                     |
"""

from __future__ import annotations

from langwire.errors import LangwireError


class Refused(LangwireError):
    """A request is not taken, and the thread is as it was.

    `status` is that of HTTP, `code` one word for programs. The message is for people: it holds nothing of what the
    client sent but ids, cut short.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def cut(id: str) -> str:
    """Return an id as a message shows it: quoted, on one line, no more than 80 characters of it."""
    return ascii(id[:80])
