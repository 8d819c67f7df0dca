"""Who may do what: every route of the staff pages against every role. A new route is entered here on purpose."""

import re

import pytest
from flask import Flask
from werkzeug.routing import Rule

from portal.accounts import Role
from portal.services import Services
from tests.portal.staff_browser import StaffBrowser

BY_ROLE = {
    Role.AGENT: """
        answer answers assign case case_ask case_assign case_close cases chat_picture conversation conversation_here
        conversation_part conversation_seen delivery delivery_part fleet fleet_part inbox inbox_part live_address logout
        message message_text messages move notice_resend own_account own_password proof ratings ratings_csv route
        route_part second_step_begin second_step_codes second_step_confirm second_step_off second_step_page step
        task_attach task_resolve task_undo_opt_out tasks tasks_csv tasks_part today today_part truth truth_csv
        unreached_call unreached_csv unreached_page unreached_part unreached_reopen unreached_resend unreached_settle
    """,
    Role.DISPATCHER: """
        answer_remove answer_save chat_settings decide_wish delivery_cancel delivery_contacts delivery_instructions
        delivery_link delivery_reschedule_undo
        delivery_reschedule driver import_apply import_page import_preview route_add_stop route_link route_reassign
        route_reorder save_house_rules save_quick_replies token_add token_revoke undo_wish ways_out
    """,
    Role.ADMIN: """
        audit_csv audit_page key_add key_revoke message_preview message_restore message_rules message_rules_preview
        message_rules_restore message_save message_send people person_add person_disable person_enable person_password
        person_role person_second_step_reset
    """,
}
NEEDS = {f"staff.{name}": role for role, names in BY_ROLE.items() for name in names.split()}
AT_THE_DOOR = {"staff.login", "staff.log_in", "staff.login_code", "staff.check_code"}


def staff_rules(app: Flask) -> list[Rule]:
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("staff.")]


def path_of(rule: Rule, me: str) -> str:
    """Return an address of the rule: one's own id where it names somebody of staff, 1 for numbers, else made up."""
    path = re.sub(r"<any\('([^']+)'[^>]*>", r"\1", rule.rule).replace("<staff_id>", me)
    return re.sub(r"<[^>]+>", "madeup", re.sub(r"<int:[^>]+>", "1", path))


@pytest.mark.parametrize("role", list(Role))
def test_every_route_is_open_to_its_roles_and_refused_to_the_others(app: Flask, services: Services, role: Role) -> None:
    app.config["WTF_CSRF_METHODS"] = []  # what is asked here is who may, not where from
    wrong = {}
    for rule in staff_rules(app):
        if rule.endpoint in AT_THE_DOOR | {"staff.logout"}:
            continue
        staff = StaffBrowser(app.test_client(), services, role, f"{rule.endpoint} {rule.rule}".replace(" ", "-"))
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            status = staff.client.open(path_of(rule, staff.account.id), method=method).status_code
            is_refused = status in {401, 403}
            if is_refused is role.may_act_as(NEEDS[rule.endpoint]):
                wrong[f"{method} {rule.rule}"] = status
    assert wrong == {}


def test_the_table_names_every_route_and_no_other(app: Flask) -> None:
    assert {rule.endpoint for rule in staff_rules(app)} - AT_THE_DOOR == set(NEEDS)
