package wordpress

import "testing"

func TestSmoke(t *testing.T) {
	folder := scenario(t)
	s := newSite(t, folder, "")
	s.install()
	t.Log(s.php(`var_dump(wp_mail("a@example.net", "Hi", "there")); add_action("wp_mail_failed", function($e){ var_dump($e); }); wp_mail("a@example.net", "Hi", "there");`))
}
