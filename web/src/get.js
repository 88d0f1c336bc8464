/** @param {URL} address of a file of the page */
export async function get(address) {
  const answer = await fetch(address);
  const name = address.pathname.split("/").pop();
  if (!answer.ok) throw new Error(`${name} cannot be loaded (${answer.status})`);
  return answer;
}
