from sandbox.pages import read_page

HTML = """<!doctype html><html><body data-device-token="dev-1"><script>var x = "<form>";</script>
<h1>Stop 3 &amp; more</h1>
<a href="/d/stops/7" data-stop="7">Stop</a><a href="/d/stops/8" data-stop="8">Stop</a><a href="/elsewhere">No</a>
<form method="post" action="/d/x/delivered" data-form="delivered" enctype="multipart/form-data">
 <input type="hidden" name="request_id" value="r&quot;1"><input type="file" name="photo">
 <input type="radio" name="who" value="door"><input type="radio" name="who" value="hand" checked>
 <input type="checkbox" name="sure" value="yes" checked><input type="checkbox" name="other">
 <select name="reason"><option value="">Choose</option><option value="closed">Closed</option></select>
 <textarea name="note">As &lt;before&gt;</textarea><button name="go" value="1">Go</button>
</form>
<form method="post" action="/t/abc/note"><textarea name="note"></textarea></form>
<form><input name="never closed"
"""


def page():
    return read_page(url="http://127.0.0.1/d/", status=200, html=HTML)


def test_a_form_has_what_it_would_send_untouched():
    form = page().form("delivered")

    assert form.fields == {
        "request_id": 'r"1',
        "who": "hand",
        "sure": "yes",
        "reason": "",
        "note": "As <before>",
    }
    assert form.choices == {"who": ["door", "hand"], "reason": ["", "closed"]}
    assert form.has_file


def test_a_form_without_a_name_is_called_by_the_last_word_of_its_address():
    assert page().form("note").action == "/t/abc/note"
    assert page().form("rating") is None


def test_stops_body_attributes_and_words_are_read_and_scripts_are_not():
    assert page().stops == {"7": "/d/stops/7", "8": "/d/stops/8"}
    assert page().body["data-device-token"] == "dev-1"
    assert "Stop 3 & more" in page().text
    assert "var x" not in page().text
