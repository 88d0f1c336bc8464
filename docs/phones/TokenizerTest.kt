import java.io.File
import org.json.JSONObject // on a computer's JVM: testImplementation("org.json:json:20250517")
import org.junit.Assert.assertArrayEquals
import org.junit.Test

/** The cases that Python and JavaScript are tested with: a copy of `tests/captions.json`. */
class TokenizerTest {
    @Test
    fun tokensAreThoseOfTheOtherLanguages() {
        val shared = JSONObject(File("captions.json").readText())
        val words = shared.getJSONArray("vocabulary")
        val tokenizer =
            Tokenizer(List(words.length()) { words.getString(it) }, shared.getInt("max_words"))
        val cases = shared.getJSONArray("cases")
        for (place in 0 until cases.length()) {
            val case = cases.getJSONObject(place)
            val tokens = case.getJSONArray("tokens")
            val expected = IntArray(tokens.length()) { tokens.getInt(it) }
            val caption = case.getString("caption")
            assertArrayEquals(caption, expected, tokenizer.encode(caption))
        }
    }
}
