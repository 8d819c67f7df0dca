"""The staff pages: one module a page, all on one blueprint. Importing this package registers every view."""

from portal.staff import answers as answers
from portal.staff import audit_page as audit_page
from portal.staff import cases as cases
from portal.staff import chat_pictures as chat_pictures
from portal.staff import chat_settings as chat_settings
from portal.staff import conversation as conversation
from portal.staff import conversation_acts as conversation_acts
from portal.staff import deliveries as deliveries
from portal.staff import drivers as drivers
from portal.staff import fleet as fleet
from portal.staff import imports as imports
from portal.staff import inbox as inbox
from portal.staff import live as live
from portal.staff import login as login
from portal.staff import message_rules as message_rules
from portal.staff import messages as messages
from portal.staff import people as people
from portal.staff import ratings as ratings
from portal.staff import routes as routes
from portal.staff import second_step as second_step
from portal.staff import task_acts as task_acts
from portal.staff import tasks as tasks
from portal.staff import today as today
from portal.staff import ways_out as ways_out
from portal.staff import wishes as wishes
from portal.staff.shell import blueprint as blueprint
