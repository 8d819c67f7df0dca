"""Inbound messages: stored raw first, then read: opt-out words, answers, commands, chat."""

from messaging.inbound_texts import InboundMessage, Question, QuestionKind, ReadAs

__all__ = ["InboundMessage", "Question", "QuestionKind", "ReadAs"]
